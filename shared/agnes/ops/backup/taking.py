"""Take a backup: everything first, then one cut of the state files, then what has changed meanwhile.

What a state file names is stored before it, and removed long after nothing names it any more. So a pass over the store that
follows the cut finds all that the cut names, and since it repeats the pass before, it is short.

Each pass is told what the earlier ones have stored: the newest backup of the place, what an interrupted one has left, and
in the second pass the first. So a backup is incremental and goes on where it was interrupted, by the same rule.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime
from hashlib import sha256
from itertools import chain
from pathlib import Path
from tempfile import TemporaryDirectory

import msgspec

from agnes.kernel import leases
from agnes.kernel.errors import UnavailableError
from agnes.kernel.ids import new_nonce
from agnes.kernel.leases import Lease
from agnes.kernel.ports import Entry, ObjectStore, Secrets, Version
from agnes.kernel.state import CutFile, StateCut
from agnes.ops import version
from agnes.ops.backup import lines, sealing
from agnes.ops.backup.model import (
    BACKUPS,
    FORM,
    LEASE,
    LEASE_SECONDS,
    LONGEST_LEASE,
    STATE,
    CutAt,
    Cuts,
    Line,
    Manifest,
    PlaceBusy,
    Run,
    Segment,
    SourceDamaged,
    encode,
    is_left_out,
    manifests,
)
from agnes.ops.backup.packs import Packed, Packer, Wanted, batches, pack_key, write_surely
from agnes.ops.backup.sealing import Passphrase

AT_ONCE = 8
FIRST, SECOND, OF_STATE = "first", "lines", "state"


class Began(msgspec.Struct, frozen=True):
    at: datetime
    source: str


@dataclass(frozen=True, slots=True)
class Source:
    """The installation that is backed up."""

    store: ObjectStore
    state: Cuts
    secrets: Secrets
    name: str
    """Of its store, for people."""


def take(source: Source, run: Run, *, passphrase: Passphrase | None) -> Manifest:
    """A whole backup.

    Raises PlaceBusy, SourceDamaged, BackupDamaged (of the backup that this one goes on from), UnavailableError.
    """
    with (
        leases.held(run.place, LEASE, run.clock, seconds=LEASE_SECONDS, longest=LONGEST_LEASE, busy=PlaceBusy) as lease,
        TemporaryDirectory(dir=run.work) as folder,
    ):
        return _Taking(source, replace(run, work=Path(folder)), lease).run(passphrase)


class _Taking:
    def __init__(self, source: Source, run: Run, lease: Lease) -> None:
        self._source = source
        self._place = run.place
        self._clock = run.clock
        self._lease = lease
        self._told = run.told
        self._began = run.clock.now()
        self._id = f"{self._began:%Y%m%dT%H%M%SZ}-{new_nonce()[:6]}"
        self._packer = Packer(source.store, run.place, run.clock, run.work)
        self._added = 0

    def run(self, passphrase: Passphrase | None) -> Manifest:
        earlier = manifests(self._place)
        unfinished = _unfinished(self._place, {manifest.id for manifest in earlier})
        began = msgspec.json.encode(Began(self._began, self._source.name))
        write_surely(self._place, f"{BACKUPS}{self._id}/began.json", began, self._clock)
        newest = earlier[-1:]
        known = [lines.read(self._place, manifest.lines) for manifest in newest]
        known += [lines.read_unfinished(self._place, backup, part) for backup in unfinished for part in (FIRST, SECOND)]
        first = self._pass(FIRST, known)
        cut = self._source.state.cut()
        of_state = self._writer(OF_STATE)
        of_state.add(self._of_state(cut, newest))
        second = self._pass(SECOND, [lines.read(self._place, first.segments)])
        names = tuple(sorted(self._source.secrets.names()))
        if passphrase is not None:
            sealed = sealing.seal(self._source.secrets, passphrase)
            write_surely(self._place, sealing.key(self._id), sealed, self._clock)
        manifest = Manifest(
            form=FORM,
            id=self._id,
            began=self._began,
            ended=self._clock.now(),
            source=self._source.name,
            release=version.NUMBER,
            cut={file.name: CutAt(file.generation, cut.at) for file in cut.files},
            is_exact=cut.is_exact,
            objects=second.objects + of_state.objects,
            bytes=second.bytes + of_state.bytes,
            added_bytes=self._added,
            lines=second.end(),
            state_lines=of_state.end(),
            secrets=names,
            has_secrets=passphrase is not None,
        )
        write_surely(self._place, manifest.key, encode(manifest), self._clock)
        self._tidy(unfinished, first.segments)
        return manifest

    def _writer(self, part: str) -> lines.Writer:
        return lines.Writer(self._place, f"{BACKUPS}{self._id}/{part}/", self._clock)

    def _pass(self, part: str, sources: Sequence[Iterator[Line]]) -> lines.Writer:
        """Lines of all objects that are no state files, as they are now."""
        known = lines.Known(sources)
        writer = self._writer(part)
        for packed in self._packed(_wanted(self._listed(), known)):
            self._lease.keep()
            self._added += packed.stored_bytes
            if writer.add(packed.lines, stored_bytes=packed.stored_bytes):
                self._told(f"{writer.objects} objects, {writer.bytes / 1e6:.0f} MB")
        writer.end()
        return writer

    def _listed(self) -> Iterator[Entry]:
        return (entry for entry in self._source.store.list("") if not is_left_out(entry.key))

    def _packed(self, wanted: Iterable[Wanted]) -> Iterator[Packed]:
        """In order, several packs at once and never far ahead."""
        waiting: deque[Future[Packed]] = deque()
        with ThreadPoolExecutor(AT_ONCE, thread_name_prefix="agnes-backup") as pool:
            try:
                for batch in batches(wanted):
                    waiting.append(pool.submit(self._packer.pack, batch))
                    if len(waiting) >= AT_ONCE:
                        yield waiting.popleft().result()
                while waiting:
                    yield waiting.popleft().result()
            finally:
                for future in waiting:
                    future.cancel()

    def _of_state(self, cut: StateCut, newest: Sequence[Manifest]) -> Iterator[Line]:
        """Each head as it was at the cut, and the objects that it names. Those never change, so a known one is not read."""
        stored = {
            line.key: line
            for line in chain.from_iterable(lines.read(self._place, manifest.state_lines) for manifest in newest)
        }
        found: list[Line] = []
        for file in cut.files:
            wanted = [Wanted(Entry(key, size, Version(""), cut.at), None) for key, size, _ in file.objects]
            digests = {key: digest for key, _, digest in file.objects}
            missing = [one for one in wanted if not _is_stored(stored.get(one.entry.key), digests[one.entry.key])]
            for packed in self._packed(missing):
                self._added += packed.stored_bytes
                stored |= {line.key: line for line in packed.lines}
            for key, digest in digests.items():
                if not _is_stored(stored.get(key), digest):
                    raise SourceDamaged(key, "it is missing, or is not what its head says")
                found.append(stored[key])
            found.append(self._head(file))
        return iter(sorted(found, key=lambda line: line.key))

    def _head(self, file: CutFile) -> Line:
        digest = sha256(file.head).hexdigest()
        write_surely(self._place, pack_key(digest), file.head, self._clock)
        self._added += len(file.head)
        return Line(f"{STATE}{file.name}/head.json", len(file.head), digest, "", pack_key(digest), 0)

    def _tidy(self, unfinished: Iterable[str], first: Sequence[Segment]) -> None:
        """What only an unfinished backup needs. Whatever stays because of an error goes with the next one."""
        with suppress(UnavailableError):
            self._place.remove([segment.key for segment in first])
            for backup in unfinished:
                self._place.remove([entry.key for entry in self._place.list(f"{BACKUPS}{backup}/")])


def _wanted(listed: Iterable[Entry], known: lines.Known) -> Iterator[Wanted]:
    for entry in listed:
        found = known.of(entry.key)
        yield Wanted(entry, lines.unchanged(entry, found), found)


def _is_stored(line: Line | None, digest: str) -> bool:
    return line is not None and line.sha256 == digest


def _unfinished(place: ObjectStore, whole: set[str]) -> list[str]:
    """Ids of backups that were interrupted, oldest first. None is under way: the lease is ours."""
    found = {entry.key.split("/")[1] for entry in place.list(BACKUPS)}
    return sorted(found - whole)
