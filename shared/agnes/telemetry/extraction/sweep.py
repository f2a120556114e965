"""What died on its way: uploads that nobody completed, and objects of runs that never committed.

Whatever lives names its objects within minutes: an upload its staged object by completing it, a run its files in the
ledger, a consumer its events in a manifest. So what nothing names after a day, nothing will.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from agnes.kernel.ports import Entry, ObjectStore
from agnes.kernel.state import State
from agnes.telemetry import keys
from agnes.telemetry.extraction import inbox, prepared
from agnes.telemetry.lake import ledger
from agnes.telemetry.model import FILE

OLD = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Swept:
    uploads: int
    """Staged uploads."""
    telemetry: int
    """Event files, rollups and prepared batches."""
    size_bytes: int


def sweep(state: State, store: ObjectStore, *, now: datetime, dry_run: bool = False) -> Swept:
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
    if not dry_run:
        store.remove([entry.key for entry in (*uploads, *files)])
    return Swept(len(uploads), len(files), sum(entry.size_bytes for entry in (*uploads, *files)))


def _older(entries: Iterable[Entry], than: datetime) -> Iterator[Entry]:
    return (entry for entry in entries if entry.modified_at < than)


def _rollup(key: str) -> str:
    return key.removeprefix(keys.ROLLUPS).partition("/")[0]
