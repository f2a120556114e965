"""The events of a span of days as one table, each once however many sessions have a copy of it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date

from agnes.kernel.ports import ObjectStore
from agnes.kernel.state import State
from agnes.telemetry.lake import copies, ledger, objects
from agnes.telemetry.lake.batch import EVENT_COLUMNS, SESSION, Workbench, live_events, workbench
from agnes.telemetry.model import FILE

_READS_AT_ONCE = 3
"""A busy day's events may be tens of megabytes."""


@contextmanager
def events(
    store: ObjectStore, state: State, *, since: date | None = None, until: date | None = None, memory: str = "150MB"
) -> Iterator[Workbench]:
    """A workbench with the view `events`, its columns those of `EVENT_COLUMNS`, of the UTC days from `since` to `until`,
    both included. Raises UnavailableError, also if a redaction removes what is being read: ask again."""
    with state.read(FILE) as db:
        batches = ledger.batches_between(db, since or date.min, until or date.max)
        live = ledger.all_generations(db)
    with workbench(memory_limit=memory, threads=1) as bench:
        bench.table("live_generations", SESSION, live)
        paths = list(objects.fetch(store, batches, bench.folder, at_once=_READS_AT_ONCE).values())
        if paths:
            bench.db.execute(f"CREATE VIEW stored AS {live_events(paths)}")
        else:
            fields = ", ".join(f"{name} {kind}" for name, kind in EVENT_COLUMNS.items())
            bench.db.execute(f"CREATE TABLE stored ({fields})")
        copies.mark(bench, "stored")
        bench.db.execute(f"CREATE VIEW events AS {copies.once('stored')}")
        yield bench
