"""The events of a span of days as one table, each once however many sessions have a copy of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import date
from pathlib import Path

from agnes.kernel.errors import UnavailableError
from agnes.kernel.ports import ObjectStore
from agnes.kernel.state import State
from agnes.telemetry.lake import copies, damage, ledger, objects
from agnes.telemetry.lake.batch import EVENT_COLUMNS, SESSION, ScratchDatabase, live_events, workbench
from agnes.telemetry.lake.damage import LakeDamaged, Written
from agnes.telemetry.lake.renames import followed_events
from agnes.telemetry.model import FILE

_READS_AT_ONCE = 3
"""A busy day's events may be tens of megabytes."""


@contextmanager
def events(
    store: ObjectStore,
    state: State,
    *,
    since: date | None = None,
    until: date | None = None,
    memory: str = "150MB",
    partial: bool = False,
) -> Iterator[ScratchDatabase]:
    """A workbench with the view `events`, of the UTC days from `since` to `until`, both included: the columns of
    `EVENT_COLUMNS` with the names that plugins have now, and `written_plugin`. Of damaged event files a note is left for the next run; with `partial` their events are left out.

    Raises LakeDamaged, UnavailableError, also if a redaction removes what is being read: ask again."""
    with state.read(FILE) as db:
        batches = ledger.batches_between(db, since or date.min, until or date.max)
        live = ledger.all_generations(db)
        written = ledger.written(db, batches)
        renamed = ledger.renamed(db)
    with workbench(memory_limit=memory, threads=1) as bench:
        bench.table("live_generations", SESSION, live)
        paths = _fetch(store, state, batches, bench.folder, written, partial=partial)
        if paths:
            bench.db.execute(f"CREATE VIEW stored AS {live_events(paths)}")
        else:
            fields = ", ".join(f"{name} {kind}" for name, kind in EVENT_COLUMNS.items())
            bench.db.execute(f"CREATE TABLE stored ({fields})")
        copies.mark(bench, "stored")
        bench.db.execute(f"CREATE VIEW events AS {followed_events(copies.once('stored'), renamed)}")
        yield bench


def _fetch(
    store: ObjectStore,
    state: State,
    batches: Sequence[str],
    folder: Path,
    written: Mapping[str, Written],
    *,
    partial: bool,
) -> list[Path]:
    try:
        return list(objects.fetch(store, batches, folder, at_once=_READS_AT_ONCE, written=written).values())
    except LakeDamaged as exc:
        with state.read(FILE) as db:
            named = ledger.written(db, sorted(exc.found))
        if not named:  # the ledger has moved on, and what it named before was removed
            raise UnavailableError(
                "the events were replaced while they were read", code="object_missing", hint="Try again."
            ) from None
        damage.report(store, named)
        if not partial:
            raise
        return _fetch(store, state, [key for key in batches if key not in exc.found], folder, written, partial=True)
