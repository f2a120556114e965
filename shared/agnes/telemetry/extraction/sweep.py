"""Once a day: what died on its way goes, and what nobody reads is looked at.

What died are uploads that nobody completed, and objects of runs that never committed.

Whatever lives names its objects within minutes: an upload its staged object by completing it, a run its files in the
ledger, a consumer its events in a manifest. So what nothing names after a day, nothing will.

Looked at are event files and rollups, in another order each day and for some minutes: of a damaged one a note is left for the
next run of the extraction (agnes.telemetry.extraction.repair), as of a transcript whose own note was lost. Tombstones and their
copies are brought together, and `telemetry/current/` is written again.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from hashlib import sha256

from agnes.kernel.clock import SystemClock
from agnes.kernel.ports import Clock, Entry, ObjectStore
from agnes.kernel.state import State
from agnes.telemetry import keys
from agnes.telemetry.extraction import inbox, prepared
from agnes.telemetry.lake import current, damage, ledger
from agnes.telemetry.lake.batch import workbench
from agnes.telemetry.model import FILE
from agnes.telemetry.transcripts import tombstones

OLD = timedelta(days=1)
DAMAGED_KEPT = timedelta(days=30)
"""Bytes of damaged objects, for who wants to know what happened to them."""
VERIFY_SECONDS = 300


@dataclass(frozen=True, slots=True)
class Swept:
    uploads: int
    """Staged uploads."""
    telemetry: int
    """Event files, rollups and prepared batches."""
    size_bytes: int
    verified: int = 0
    """Event files and rollups that were read and compared with their digests."""
    damaged: int = 0
    """Of those."""
    noted_again: int = 0
    """Transcripts that the extraction did not know, and that no note named."""
    tombstones: int = 0
    """Restored from their copies, or copied."""


def sweep(
    state: State, store: ObjectStore, *, now: datetime, dry_run: bool = False, clock: Clock | None = None
) -> Swept:
    """Remove what is older than a day and named by nothing. Raises UnavailableError."""
    uploads = list(_older(store.list(keys.UPLOADS), now - OLD))
    # Listed before the names are read: what a run commits meanwhile is named, or younger than what is looked at.
    files = [*_older(store.list(keys.EVENTS), now - OLD), *_older(store.list(keys.PREPARED_EVENTS), now - OLD)]
    parts = list(_older(store.list(keys.ROLLUPS), now - OLD))
    with state.read(FILE) as db:
        named = ledger.named_keys(db)
    waiting = inbox.look(store)
    named |= {one.events_key for one in prepared.heads(store, [*waiting.prepared, *waiting.aside])}
    known = {_rollup(key) for key in named if key.startswith(keys.ROLLUPS)}
    files = [entry for entry in files if entry.key not in named]
    # A rollup that the ledger has no part of at all is somebody else's.
    files += [entry for entry in parts if entry.key not in named and _rollup(entry.key) in known]
    swept = Swept(len(uploads), len(files), sum(entry.size_bytes for entry in (*uploads, *files)))
    if dry_run:
        return swept
    store.remove([entry.key for entry in (*uploads, *files)])
    store.remove([entry.key for entry in _older(store.list(keys.DAMAGED), now - DAMAGED_KEPT)])
    verified, damaged = _verify(state, store, now=now, clock=clock or SystemClock())
    restored = tombstones.restore(store)
    with workbench() as bench:
        current.write(store, state, bench)
    noted_again = 0
    if not waiting.notes:  # else the next runs do them first
        with state.read(FILE) as db:
            noted_again = len(inbox.note_unread(store, db, now=now))
    return replace(swept, verified=verified, damaged=damaged, noted_again=noted_again, tombstones=restored)


def _verify(state: State, store: ObjectStore, *, now: datetime, clock: Clock) -> tuple[int, int]:
    with state.read(FILE) as db:
        written = ledger.written(db)
    until = clock.monotonic() + VERIFY_SECONDS
    found: dict[str, str] = {}
    verified = 0
    for key in sorted(written, key=lambda key: sha256(f"{now:%Y-%m-%d}{key}".encode()).digest()):
        if clock.monotonic() > until:
            break
        blob = store.read(key)
        why = damage.reason(blob.body if blob is not None else None, written[key])
        verified += 1
        if why is not None:
            found[key] = why
    if found:
        with state.read(FILE) as db:  # what a run has replaced meanwhile is nothing
            damage.report(store, ledger.written(db, sorted(found)))
    return verified, len(found)


def _older(entries: Iterable[Entry], than: datetime) -> Iterator[Entry]:
    return (entry for entry in entries if entry.modified_at < than)


def _rollup(key: str) -> str:
    return key.removeprefix(keys.ROLLUPS).partition("/")[0]
