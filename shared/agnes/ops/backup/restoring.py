"""Put a backup into an installation: objects first, state files last, each published as a generation of its own.

An installation that holds anything is replaced only where the operator says so. Until the end a note says that a restore is
under way: `ops.prepare` refuses to start meanwhile, and a restore that was interrupted goes on where it was.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Generic, Protocol, TypeVar

import msgspec

from agnes.kernel import leases
from agnes.kernel.errors import ConflictError
from agnes.kernel.leases import Lease
from agnes.kernel.ports import ObjectStore, Secret, Secrets
from agnes.kernel.state import Change
from agnes.ops.backup import lines, sealing, unfinished
from agnes.ops.backup.model import (
    LEASE,
    LEASE_SECONDS,
    LONGEST_LEASE,
    STATE,
    BackupDamaged,
    Cuts,
    Line,
    Manifest,
    NotEmpty,
    PlaceBusy,
    Run,
    find,
    is_left_out,
)
from agnes.ops.backup.packs import LARGE_BYTES, bodies, groups, large_body, write_surely
from agnes.ops.backup.sealing import Passphrase
from agnes.ops.backup.unfinished import MARKER, Marker

AT_ONCE = 8
LOOKED_AT = 5
"""Objects that are named where an installation is not empty."""
SKEW = timedelta(seconds=3)
"""Stores tell times to the second. What was written as early as that after a restore began is written again."""
STAYS = ("leases/", "probe/", "restore/", STATE)
"""Of the installation, even if the backup has none of it. State files are replaced by themselves."""
Moved = Callable[[list[tuple[str, str, str]]], None]
"""Is given (key, version in the backup's source, version here) of transcripts, so that none is taken for a changed one."""
MOVED_AT_ONCE = 20_000
MOVES = "sessions/"


class _Keyed(Protocol):
    @property
    def key(self) -> str: ...


K = TypeVar("K", bound=_Keyed)


class _ByKey(Generic[K]):
    """What comes in the order of keys, asked for in that order."""

    def __init__(self, found: Iterator[K]) -> None:
        self._found = found
        self._next = next(found, None)

    def of(self, key: str) -> K | None:
        while self._next is not None and self._next.key < key:
            self._next = next(self._found, None)
        return self._next if self._next is not None and self._next.key == key else None


class OtherRestore(ConflictError):
    code = "other_restore_unfinished"

    def __init__(self, backup: str) -> None:
        super().__init__(
            f"a restore of backup {backup} was interrupted here",
            hint=f"Finish it: agnes-local restore PLACE --backup {backup}. Or replace what it left: add --replace.",
        )


@dataclass(frozen=True, slots=True)
class Target:
    """The installation that is restored."""

    store: ObjectStore
    state: Cuts
    state_files: tuple[str, ...]
    secrets: Secrets
    moved: Moved


@dataclass(frozen=True, slots=True)
class Restored:
    backup: Manifest
    written: int
    kept: int
    """Objects that an interrupted restore had written."""
    removed: int
    """Objects that the backup does not have."""
    generations: Mapping[str, int]
    secrets: tuple[str, ...]
    """Names of those that were put back."""
    missing_secrets: tuple[str, ...]
    """Names of those that the installation had, and that the operator has to give it again."""


def restore(
    target: Target, run: Run, *, backup: str = "", replaces: bool = False, passphrase: Passphrase | None
) -> Restored:
    """`backup` is an id; empty means the newest. Nothing else may write to the installation meanwhile.

    Raises NotEmpty, OtherRestore, BackupNotFound, BackupDamaged, BackupTooNew, PassphraseWrong, PlaceBusy, SchemaTooNew,
    UnavailableError.
    """
    with (
        leases.held(run.place, LEASE, run.clock, seconds=LEASE_SECONDS, longest=LONGEST_LEASE, busy=PlaceBusy) as lease,
        TemporaryDirectory(dir=run.work) as folder,
    ):
        manifest = find(run.place, backup)
        return _Restoring(target, replace(run, work=Path(folder)), manifest, lease).run(replaces, passphrase)


class _Restoring:
    def __init__(self, target: Target, run: Run, manifest: Manifest, lease: Lease) -> None:
        self._target = target
        self._store = target.store
        self._place = run.place
        self._manifest = manifest
        self._clock = run.clock
        self._work = run.work
        self._lease = lease
        self._told = run.told
        self._kept = 0

    def run(self, replaces: bool, passphrase: Passphrase | None) -> Restored:
        secrets = self._secrets(passphrase)
        since = self._begin(replaces)
        written = self._objects(since)
        generations = self._state_files()
        removed = self._remove_others()
        for name, secret in secrets.items():
            self._target.secrets.put(name, secret)
        self._tell_moved()
        self._store.remove([MARKER])
        have = {*self._target.secrets.names()}
        missing = tuple(name for name in sealing.wanted(self._manifest.secrets) if name not in have)
        return Restored(self._manifest, written, self._kept, removed, generations, tuple(sorted(secrets)), missing)

    def _secrets(self, passphrase: Passphrase | None) -> dict[str, Secret]:
        if passphrase is None or not self._manifest.has_secrets:
            return {}
        key = sealing.key(self._manifest.id)
        blob = self._place.read(key)
        if blob is None:
            raise BackupDamaged(key, "it is missing")
        return sealing.opened(self._manifest.id, blob.body, passphrase)

    def _begin(self, replaces: bool) -> datetime | None:
        """Leave the note. When the interrupted restore began that this one goes on with, None if it is a new one."""
        blob = self._store.read(MARKER)
        if blob is not None:
            found = unfinished.of(blob.body)
            if found.backup == self._manifest.id:
                [entry] = [entry for entry in self._store.list(MARKER) if entry.key == MARKER]
                return entry.modified_at + SKEW
            if not replaces:
                raise OtherRestore(found.backup)
        elif not replaces and (there := self._what_is_there()):
            raise NotEmpty(there)
        marker = msgspec.json.encode(Marker(self._manifest.id, self._clock.now()))
        write_surely(self._store, MARKER, marker, self._clock)
        return None

    def _what_is_there(self) -> str:
        """For people; empty if the installation is."""
        kept = (entry.key for entry in self._store.list("") if not is_left_out(entry.key))
        heads = (f"{STATE}{file}/head.json" for file in self._target.state_files)
        found = [*(key for key in heads if self._store.read(key)), *islice(kept, LOOKED_AT)]
        return f"{', '.join(found[:LOOKED_AT])}{' and more' if len(found) > LOOKED_AT else ''}"

    def _objects(self, since: datetime | None) -> int:
        """Write what is not there yet; how many that were. `since`: what is younger and has the size was written before."""
        there = _ByKey(self._store.list("")) if since is not None else None

        def missing() -> Iterator[Line]:
            for line in self._lines():
                entry = there.of(line.key) if there is not None else None
                if (
                    entry is not None
                    and since is not None
                    and entry.modified_at > since
                    and entry.size_bytes == line.size
                ):
                    self._kept += 1
                else:
                    yield line

        return self._write(missing())

    def _write(self, wanted: Iterable[Line]) -> int:
        written, size = 0, 0
        waiting: deque[Future[tuple[int, int]]] = deque()

        def done() -> None:
            nonlocal written, size
            self._lease.keep()
            objects, added = waiting.popleft().result()
            if (written + objects) // 10_000 > written // 10_000:
                self._told(f"{written + objects} objects, {(size + added) / 1e6:.0f} MB")
            written, size = written + objects, size + added

        with ThreadPoolExecutor(AT_ONCE, thread_name_prefix="agnes-restore") as pool:
            try:
                for group in groups(wanted):
                    waiting.append(pool.submit(self._write_group, group))
                    if len(waiting) >= 2 * AT_ONCE:
                        done()
                while waiting:
                    done()
            finally:
                for future in waiting:
                    future.cancel()
        return written

    def _write_group(self, group: list[Line]) -> tuple[int, int]:
        """Objects and bytes that were written."""
        for line in (line for line in group if line.size >= LARGE_BYTES):
            with large_body(self._place, line, self._work) as body:
                write_surely(self._store, line.key, body, self._clock)
        if small := [line for line in group if line.size < LARGE_BYTES]:
            for line, part in bodies(self._place, small):
                write_surely(self._store, line.key, part, self._clock)
        return len(group), sum(line.size for line in group)

    def _state_files(self) -> dict[str, int]:
        """Publish each; the generations that they become. What the backup has none of begins anew."""
        of_state = list(lines.read(self._place, self._manifest.state_lines))
        heads = {line.key.split("/")[1]: line for line in of_state if line.key.endswith("/head.json")}
        self._write(line for line in of_state if not line.key.endswith("/head.json"))
        change = Change("backup.restore", f"backup:{self._manifest.id}", {"source": self._manifest.source})
        generations = {}
        for file in self._target.state_files:
            if line := heads.get(file):
                [(_, head)] = bodies(self._place, [line])
                generations[file] = self._target.state.adopt(file, head, change)
            else:
                self._store.remove([entry.key for entry in self._store.list(f"{STATE}{file}/")])
        return generations

    def _remove_others(self) -> int:
        """Objects that the backup does not have: what the installation held before, and what was under way there."""
        known = _ByKey(self._lines())
        removed = 0
        others = (
            entry.key
            for entry in self._store.list("")
            if not entry.key.startswith(STAYS) and known.of(entry.key) is None
        )
        while batch := list(islice(others, 1000)):
            self._store.remove(batch)
            removed += len(batch)
        return removed

    def _tell_moved(self) -> None:
        there = _ByKey(self._store.list(MOVES))
        moved = (
            (line.key, line.version, entry.version.tag)
            for line in self._lines()
            if line.key.startswith(MOVES) and (entry := there.of(line.key)) is not None
        )
        while batch := list(islice(moved, MOVED_AT_ONCE)):
            self._target.moved(batch)

    def _lines(self) -> Iterator[Line]:
        return lines.read(self._place, self._manifest.lines)
