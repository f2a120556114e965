"""What a place holds: backups that are listed, verified, compared with an installation, and pruned."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from hashlib import file_digest
from itertools import islice
from pathlib import Path
from tempfile import NamedTemporaryFile, TemporaryDirectory

from agnes.kernel import leases
from agnes.kernel.errors import BadRequestError
from agnes.kernel.ports import Clock, ObjectStore
from agnes.ops.backup import lines
from agnes.ops.backup.model import (
    BACKUPS,
    LEASE,
    LEASE_SECONDS,
    LONGEST_LEASE,
    PACKS,
    BackupDamaged,
    Line,
    Manifest,
    PlaceBusy,
    is_left_out,
    manifests,
)
from agnes.ops.backup.packs import LARGE_BYTES, bodies, groups, large_body

AT_ONCE = 8
YOUNG = timedelta(days=1)
"""Packs of an interrupted backup are kept for so long, for the next one to go on with."""


@dataclass(frozen=True, slots=True)
class Checked:
    objects: int
    bytes: int
    problems: tuple[str, ...]
    """A line for each pack or object that is not what it was."""


def check(place: ObjectStore, manifest: Manifest, work: Path) -> Checked:
    """Read a backup whole and compare every object with its SHA-256. Raises UnavailableError."""
    objects, size, problems = 0, 0, list[str]()
    with TemporaryDirectory(dir=work) as folder, ThreadPoolExecutor(AT_ONCE) as pool:
        try:
            found = groups(_all_lines(place, manifest))
            while batch := list(islice(found, 4 * AT_ONCE)):
                for done in pool.map(partial(_check_group, place, Path(folder)), batch):
                    objects, size = objects + done[0], size + done[1]
                    problems += done[2]
        except BackupDamaged as damaged:
            problems.append(damaged.message)
    return Checked(objects, size, tuple(problems))


def _check_group(place: ObjectStore, work: Path, group: list[Line]) -> tuple[int, int, list[str]]:
    problems = []
    for line in (line for line in group if line.size >= LARGE_BYTES):
        try:
            with large_body(place, line, work):
                pass
        except BackupDamaged as damaged:
            problems.append(damaged.message)
    small = [line for line in group if line.size < LARGE_BYTES]
    try:
        for _ in bodies(place, small) if small else ():
            pass
    except BackupDamaged as damaged:
        problems.append(damaged.message)
    return len(group), sum(line.size for line in group), problems


@dataclass(frozen=True, slots=True)
class Compared:
    """An installation beside a backup, without its state files, which a restore publishes anew."""

    same: int
    changed: tuple[str, ...]
    missing: tuple[str, ...]
    added: tuple[str, ...]


def compare(store: ObjectStore, place: ObjectStore, manifest: Manifest, work: Path) -> Compared:
    """Read an installation whole and compare each object with the backup's SHA-256. Raises BackupDamaged, UnavailableError."""
    wanted = {line.key: line.sha256 for line in lines.read(place, manifest.lines)}
    same, changed, added = 0, [], []
    with TemporaryDirectory(dir=work) as folder, ThreadPoolExecutor(AT_ONCE) as pool:
        keys = (entry.key for entry in store.list("") if not is_left_out(entry.key))
        while batch := list(islice(keys, 1000)):
            for key, digest in zip(batch, pool.map(partial(_digest, store, Path(folder)), batch), strict=True):
                expected = wanted.pop(key, None)
                if expected is None:
                    added.append(key)
                elif expected == digest:
                    same += 1
                else:
                    changed.append(key)
    return Compared(same, tuple(changed), tuple(wanted), tuple(added))


def _digest(store: ObjectStore, work: Path, key: str) -> str:
    with NamedTemporaryFile(dir=work) as file:
        path = Path(file.name)
        if not store.download(key, path):
            return ""
        with path.open("rb") as copy:
            return file_digest(copy, "sha256").hexdigest()


@dataclass(frozen=True, slots=True)
class PrunedBackups:
    removed: tuple[str, ...]
    """Ids of the backups that went."""
    kept: tuple[str, ...]
    packs: int
    bytes: int


def prune(place: ObjectStore, *, keep: int, clock: Clock) -> PrunedBackups:
    """Remove all backups but the newest `keep`, and the packs that no other one needs.

    Raises BadRequestError, PlaceBusy, BackupDamaged (then nothing was removed), UnavailableError.
    """
    if keep < 1:
        raise BadRequestError("--keep must be 1 or more", hint="Remove the place itself to remove all backups.")
    with leases.held(place, LEASE, clock, seconds=LEASE_SECONDS, longest=LONGEST_LEASE, busy=PlaceBusy) as lease:
        found = manifests(place)
        kept, going = found[-keep:], found[:-keep]
        needed: set[str] = set()
        for manifest in kept:
            needed |= {line.pack for line in _all_lines(place, manifest)}
            lease.keep()
        for manifest in going:  # its manifest first: what is half removed is no backup any more
            place.remove([manifest.key])
            place.remove([entry.key for entry in place.list(f"{BACKUPS}{manifest.id}/")])
            lease.keep()
        young = clock.now() - YOUNG
        unneeded = (e for e in place.list(PACKS) if e.key not in needed and e.modified_at < young)
        packs, size = 0, 0
        while batch := list(islice(unneeded, 1000)):
            place.remove([entry.key for entry in batch])
            packs, size = packs + len(batch), size + sum(entry.size_bytes for entry in batch)
            lease.keep()
    return PrunedBackups(tuple(m.id for m in going), tuple(m.id for m in kept), packs, size)


def _all_lines(place: ObjectStore, manifest: Manifest) -> Iterator[Line]:
    parts: Iterable[Line] = lines.read(place, (*manifest.lines, *manifest.state_lines))
    return iter(parts)
