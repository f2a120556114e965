"""What users need, tried for real: a write and a read of the store, a read of each state file; and whether what they send is
worked on: the oldest note that waits, and each schedule's last success.

The answer is kept for KEPT in a process, so that whoever asks often, which anybody may, costs nothing.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from weakref import WeakKeyDictionary

from agnes.health import installation
from agnes.health.installation import FileHealth, Migrations, StoreHealth
from agnes.kernel.errors import AgnesError
from agnes.kernel.ids import time_of
from agnes.kernel.ports import Clock, ObjectStore
from agnes.kernel.state import State
from agnes.ops import jobs
from agnes.ops.jobs import EverySeconds

KEPT = timedelta(seconds=10)
INBOX, BATCHES, EXTRACT = "inbox/", "inbox/batches/", "telemetry.extract"
LATE = 4
"""In intervals: as red on the health page."""
LEAST_SECONDS = 3600
"""What waits for less is no reason for an alarm, however often its schedule runs."""
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

    work: tuple[str, ...] | None = None
    """What is not worked on, each with a code: `inbox: waiting_too_long`, `schedule.<job>: late`. None: it was not judged."""

    @property
    def not_ready(self) -> list[str]:
        """What keeps this process from serving; empty: it can. A store that only cannot be written is served from."""
        return [f"state.{file}: {code}" for file, code in sorted(self.files.items()) if file in NEEDED]

    @property
    def failing(self) -> list[str]:
        """Everything that was tried and failed."""
        found = [*(f"state.{file}: {code}" for file, code in sorted(self.files.items())), *(self.work or ())]
        return [f"store: {self.store.code}", *found] if self.store.status == "error" else found


def tried(
    state: State,
    store: ObjectStore,
    migrations: Migrations,
    clock: Clock,
    *,
    every_seconds: EverySeconds | None = None,
) -> Checks:
    """At most 10 seconds old. Never raises. Work is judged where `every_seconds` says how often schedules run."""
    now = clock.now()
    known = _held.get(store)
    is_known = known is not None and timedelta(0) <= now - known.at < KEPT
    if known is None or not is_known or (every_seconds is not None and known.work is None):
        failing = {
            file: code for file in installation.names(migrations) if (code := _try(state, store, migrations, file))
        }
        work = _work(store, now, every_seconds) if every_seconds else None
        known = _held[store] = Checks(now, installation.probe(store, clock), failing, work)
    return known


def _work(store: ObjectStore, now: datetime, every_seconds: EverySeconds) -> tuple[str, ...]:
    """What waits too long. A schedule that never ran is not late: its installation may be a minute old."""
    try:
        every = jobs.intervals(every_seconds, now)
        runs = installation.runs(store, now).jobs
        oldest = _oldest_note(store)
    except AgnesError:
        return ()  # the store or what was built is away: that is said elsewhere
    late = [
        f"schedule.{name}: late"
        for name, seconds in sorted(every.items())
        if name in runs and _is_late(runs[name].last_success_at or runs[name].at, now, seconds)
    ]
    waits = oldest is not None and _is_late(oldest, now, max(every.get(EXTRACT, 600), LEAST_SECONDS / LATE))
    return (*(["inbox: waiting_too_long"] if waits else []), *late)


def _is_late(at: datetime, now: datetime, every: float) -> bool:
    return (now - at).total_seconds() > LATE * every


def _oldest_note(store: ObjectStore) -> datetime | None:
    """Of the inbox, or of what was handed to its queue: names begin with their time and come before folders. Two calls."""
    found = []
    for prefix in (INBOX, BATCHES):
        first = next(iter(store.list(prefix)), None)
        with suppress(ValueError):
            found += [time_of(first.key.removeprefix(prefix).removesuffix(".json"))] if first else []
    return min(found, default=None)


def _try(state: State, store: ObjectStore, migrations: Migrations, file: str) -> str:
    """Why a state file cannot be read; empty: it can."""
    try:
        found, material = installation.file_and_material(store, migrations, file)
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
        file: installation.failed(found, checks.files[file]) if file in checks.files else found
        for file, found in files.items()
    }
