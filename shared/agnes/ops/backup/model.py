"""What a backup is: its lines, its manifest, and which keys belong to it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Protocol

import msgspec

from agnes.kernel import sealed
from agnes.kernel.errors import AgnesError, ConflictError, NotFoundError
from agnes.kernel.leases import HeldBy
from agnes.kernel.ports import Clock, ObjectStore
from agnes.kernel.state import Change, StateCut

FORM = 1
BACKUPS = "backups/"
PACKS = "packs/"
STATE = "state/"
LEASE = "leases/backup.json"
LEASE_SECONDS = 120.0
"""Renewed between packs. Whoever is killed holds others up for so long."""
LONGEST_LEASE = timedelta(hours=1)
LEFT_OUT = {
    "calls/": "counts of the last days, for the page of hosting costs",
    "damaged/": "damaged bytes, kept for 30 days for whoever looks into it",
    "downloads/": "prepared answers, gone after a day",
    "exports/": "prepared answers, gone after a day",
    "feed/zips/": "built again from trees/ when somebody asks",
    "health/": "what a health check wrote to try the store",
    "intents/": "changes under way: they are in the state files, or their makers are told that they failed",
    "jobs/": "who runs which job, and how the last runs ended",
    "leases/": "who works on what at the moment",
    "limits/": "rate counters of the last minutes",
    "probe/": "what was tried on this store, and not on another",
    "restore/": "the note of a restore",
    "sign-ins/": "credentials of browsers: everybody signs in again after a restore",
    "tables/queries/": "which queries run, and what was read today",
    "tables/results/": "results of queries, gone after a day",
    "telemetry/damaged/": "notes of damaged objects: who meets one writes it again",
    "telemetry/prepared/": "made again from the transcripts that inbox/ names",
    "uploads/": "uploads that are under way: the client sends them again",
}
"""Prefix → why a backup does without."""
KEPT = (
    "assets/",
    "audit/",
    "damage/",
    "feed/",
    "flea/",
    "inbox/",
    "quarantine/",
    "quotas/",
    "sessions/",
    "tables/",
    "telemetry/",
    "tokens/used/",
    "tombstones/",
    "trees/",
)
"""What is known to belong to a backup. A prefix that is in neither list belongs to it too: what nobody has thought of is kept."""

SECRETS_LEFT_OUT = {"signing": "a new one is made at the first start; uploads under way are announced again"}
"""Secret → why a backup does without, even an encrypted one."""


def is_left_out(key: str) -> bool:
    """Whether a backup does without this object. State files are taken by their heads, and not by their keys."""
    return key.startswith((*LEFT_OUT, STATE))


class Line(msgspec.Struct, frozen=True, array_like=True):
    """One object of a backup: where its bytes are in the packs."""

    key: str
    size: int
    sha256: str
    version: str
    """Of the object in the store that it was taken from, to tell whether it has changed since."""
    pack: str
    """Key of the object with its bytes; empty if there are none."""
    offset: int


class Segment(msgspec.Struct, frozen=True):
    """One object with lines, in the order of their keys."""

    key: str
    sha256: str
    lines: int


class CutAt(msgspec.Struct, frozen=True):
    generation: int
    at: datetime


class Manifest(msgspec.Struct, frozen=True):
    """A whole backup."""

    form: int
    id: str
    began: datetime
    ended: datetime
    source: str
    """Which store it was taken from, for people."""
    release: str
    cut: dict[str, CutAt]
    """By state file, the generation that was taken."""
    is_exact: bool
    """All state files had these generations at one moment. Otherwise each has its newest generation of before a moment."""
    objects: int
    bytes: int
    added_bytes: int
    """Bytes that this backup had to store; the others are shared with those before it."""
    lines: tuple[Segment, ...]
    state_lines: tuple[Segment, ...]
    secrets: tuple[str, ...]
    """Names of the installation's secrets."""
    has_secrets: bool
    """Their values are in it too, encrypted."""

    @property
    def key(self) -> str:
        return f"{BACKUPS}{self.id}/manifest.json"


@dataclass(frozen=True, slots=True)
class Run:
    """What a backup or a restore works with."""

    place: ObjectStore
    """Where the backups are."""
    clock: Clock
    work: Path
    """A folder for copies of large objects."""
    told: Callable[[str], None]
    """Is told how far it is, in a line for people."""


class Cuts(Protocol):
    """The part of `agnes.state.StateFiles` that backups need."""

    def cut(self) -> StateCut: ...

    def adopt(self, file: str, head: bytes, change: Change) -> int: ...


class BackupNotFound(NotFoundError):
    code = "backup_not_found"

    def __init__(self, wanted: str) -> None:
        what = f"no backup {wanted}" if wanted else "no backup that was finished"
        super().__init__(f"there is {what} in this place", hint="agnes-local backups list PLACE lists what there is.")


class BackupDamaged(AgnesError):
    """An object of the backup is not what was written."""

    code = "backup_damaged"

    def __init__(self, key: str, reason: str) -> None:
        super().__init__(
            f"{key} of the backup is damaged: {reason}",
            hint="agnes-local backups check PLACE tells which backups it concerns. Restore one that is whole.",
        )
        self.key = key


class SourceDamaged(AgnesError):
    """A state file cannot be taken as it is."""

    code = "state_damaged"

    def __init__(self, key: str, reason: str) -> None:
        file = key.split("/")[1]
        super().__init__(
            f"{key} cannot be backed up: {reason}",
            hint=f"agnes-local state check {file} says what is left. Backups of before are not touched.",
        )


class BackupTooNew(AgnesError):
    code = "backup_too_new"

    def __init__(self, backup: str, form: int) -> None:
        super().__init__(
            f"backup {backup} has form {form}, which this release cannot read", hint="Use the release that made it."
        )


class PlaceBusy(ConflictError):
    code = "backup_place_busy"

    def __init__(self, held: HeldBy) -> None:
        super().__init__(
            f"another backup, restore or prune is using this place: {held.text}", hint="Try again when it has ended."
        )


class NotEmpty(ConflictError):
    """A restore would replace what is there."""

    code = "installation_not_empty"

    def __init__(self, found: str) -> None:
        super().__init__(
            f"this installation is not empty: it has {found}",
            hint="Stop everything that writes to it, then add --replace: everything in it is replaced by the backup.",
        )


def encode(manifest: Manifest) -> bytes:
    return sealed.seal(manifest.key, msgspec.json.encode(manifest))


def decode(key: str, body: bytes) -> Manifest:
    """Raises BackupDamaged, BackupTooNew."""
    try:
        plain = sealed.opened(key, body)
        form = msgspec.json.decode(plain, type=dict[str, msgspec.Raw]).get("form")
        if form is not None and int(bytes(form)) > FORM:
            raise BackupTooNew(key.split("/")[1], int(bytes(form)))
        return msgspec.json.decode(plain, type=Manifest)
    except (ValueError, msgspec.MsgspecError) as error:
        raise BackupDamaged(key, str(error)) from error


def manifests(place: ObjectStore) -> list[Manifest]:
    """Whole backups, oldest first. Raises BackupDamaged, UnavailableError."""
    blobs = ((key, place.read(key)) for key in _manifest_keys(place))
    return [decode(key, blob.body) for key, blob in blobs if blob is not None]


def find(place: ObjectStore, wanted: str = "") -> Manifest:
    """The backup of this id, or the newest. Raises BackupNotFound, BackupDamaged, UnavailableError."""
    if wanted:
        key = f"{BACKUPS}{wanted}/manifest.json"
        blob = place.read(key)
        if blob is None:
            raise BackupNotFound(wanted)
        return decode(key, blob.body)
    keys = _manifest_keys(place)
    if not keys:
        raise BackupNotFound("")
    return find(place, keys[-1].split("/")[1])


def _manifest_keys(place: ObjectStore) -> list[str]:
    """In the order of the ids, which is that of time."""
    return sorted(entry.key for entry in place.list(BACKUPS) if entry.key.endswith("/manifest.json"))
