"""What users need, tried for real: a write and a read of the store, a read of each state file.

The answer is kept for KEPT in a process, so that whoever asks often, which anybody may, costs nothing.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from weakref import WeakKeyDictionary

from agnes.kernel.errors import AgnesError
from agnes.kernel.ports import Clock, ObjectStore
from agnes.kernel.state import State
from agnes.ops import health
from agnes.ops.health import FileHealth, Migrations, StoreHealth

KEPT = timedelta(seconds=10)
NEEDED = frozenset({"people", "marketplace", "stack"})
"""State files without which nobody can sign in, or gets their feed. Without another one its own pages fail."""

_held: WeakKeyDictionary[ObjectStore, Checks] = WeakKeyDictionary()


@dataclass(frozen=True)
class Checks:
    at: datetime
    store: StoreHealth
    """A write and a read."""
    files: Mapping[str, str] = field(default_factory=dict)
    """Of each state file that cannot be read the code of the error; `state_damaged` or that of a store that does not answer."""

    @property
    def not_ready(self) -> list[str]:
        """What keeps this process from serving; empty: it can. A store that only cannot be written is served from."""
        return [f"state.{file}: {code}" for file, code in sorted(self.files.items()) if file in NEEDED]

    @property
    def failing(self) -> list[str]:
        """Everything that was tried and failed."""
        found = [f"state.{file}: {code}" for file, code in sorted(self.files.items())]
        return [f"store: {self.store.code}", *found] if self.store.status == "error" else found


def tried(state: State, store: ObjectStore, migrations: Migrations, clock: Clock) -> Checks:
    """At most 10 seconds old. Never raises."""
    now = clock.now()
    known = _held.get(store)
    if known is None or not timedelta(0) <= now - known.at < KEPT:
        failing = {file: code for file in health.names(migrations) if (code := _try(state, store, migrations, file))}
        known = _held[store] = Checks(now, health.probe(store, clock), failing)
    return known


def _try(state: State, store: ObjectStore, migrations: Migrations, file: str) -> str:
    """Why a state file cannot be read; empty: it can."""
    try:
        found, material = health.file_and_material(store, migrations, file)
        if found.status == "damaged" or not all(_is_there(store, *each) for each in material):
            return "state_damaged"
        if found.status in ("ok", "migrating"):
            with state.read(file) as db:
                db.execute(f"SELECT 1 FROM {file}.audit LIMIT 1")  # noqa: S608 (a name from the code)
    except AgnesError as exc:
        return exc.code
    except Exception as exc:  # whatever it is, readers of the file meet it as well
        return "disk_full" if os.strerror(errno.ENOSPC) in str(exc) else "unreadable"
    return ""


def _is_there(store: ObjectStore, key: str, size: int) -> bool:
    entry = next(iter(store.list(key)), None)
    return entry is not None and entry.key == key and entry.size_bytes == size


def with_checks(files: Mapping[str, FileHealth], checks: Checks) -> dict[str, FileHealth]:
    """What the heads say, corrected by what was tried."""
    return {
        file: health.failed(found, checks.files[file]) if file in checks.files else found
        for file, found in files.items()
    }
