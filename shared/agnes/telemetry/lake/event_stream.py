"""The bytes of an export of any size, in the order of time: one slice of events after another is sorted and written out.

Days are read one after another, small ones together, and a day of too many events is cut by its seconds. So neither the
memory nor the disk that an export takes grows with it: of a csv or json file the largest slice is on the disk,
beside the event files of its days.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Generator, Iterator
from contextlib import closing
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import duckdb

from agnes.kernel.errors import UnavailableError
from agnes.kernel.ports import ObjectStore
from agnes.kernel.state import State, one_number
from agnes.telemetry.lake import copies, ledger
from agnes.telemetry.lake.batch import EVENT_COLUMNS, SESSION, ScratchDatabase, live_events, workbench
from agnes.telemetry.lake.formats import COLUMNS, copy_options
from agnes.telemetry.lake.renames import Renamed, followed_events
from agnes.telemetry.model import FILE

SLICE_EVENTS = 100_000
PARQUET_SLICE_EVENTS = 50_000
"""A sorted slice of parquet is read again beside its writer; with slices of the usual size a process takes 30 MB more."""
PARQUET = {"compression": "zstd", "dictionary_pagesize_limit": 128 * 1024, "data_page_size": 256 * 1024}
"""Of the writer, which holds a dictionary and a page for each of 50 columns: a quarter of the usual size."""
MEMORY = "100MB"
"""Of DuckDB, which sorts on disk what is more: with pyarrow and a part on its way a process stays below 300 MB."""
PARQUET_MEMORY = "80MB"
"""Of DuckDB, where pyarrow's writer is beside it."""
PIECE_BYTES = 1 << 20
_LEAST_EVENTS = 2_000
"""Of a slice that is cut again where it does not fit in the memory."""
_ATTEMPTS = 3
"""Of reading the event files of a group, which a redaction or a compaction may replace meanwhile."""
_BEGINNING = datetime(1, 1, 1, tzinfo=UTC)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_END = datetime(9999, 12, 31, tzinfo=UTC)


class Selection(NamedTuple):
    """`where` is SQL over the events' columns (with the names that plugins have now) with its `parameters`; `since` is included, `until` is not."""

    where: str
    parameters: dict[str, Any]
    since: datetime | None
    until: datetime | None


class _Group(NamedTuple):
    days: list[date]
    events: int


class EventStream:
    """`pieces` is read once. Then `rows` are in it, and `reached` is where the next part goes on; None if nothing is left."""

    def __init__(
        self,
        state: State,
        store: ObjectStore,
        selection: Selection,
        kind: str,
        *,
        begin: datetime | None = None,
        goes_on: Callable[[EventStream], bool] = lambda _: True,
        slice_events: int = SLICE_EVENTS,
    ) -> None:
        """`begin` is where an earlier part ended. `goes_on` is asked before each slice but the first; what it raises passes."""
        self.rows = 0
        self.reached: datetime | None = None
        self._state = state
        self._store = store
        self._selection = selection
        self._kind = kind
        self._begin = begin or _BEGINNING
        self._goes_on = goes_on
        self._slice_events = min(slice_events, PARQUET_SLICE_EVENTS) if kind == "parquet" else slice_events
        self._slices = 0
        self._renamed: Renamed = ()

    def pieces(self) -> Generator[bytes, None, None]:
        """Raises UnavailableError, also if the disk is full."""
        try:
            yield from self._parquet() if self._kind == "parquet" else self._text()
        except (OSError, duckdb.IOException) as exc:
            raise _no_room(exc) from exc
        except duckdb.OutOfMemoryException as exc:
            raise UnavailableError(
                "the events of one moment are more than the memory of an export holds",
                code="export_out_of_memory",
                hint="Export a span without it (`since`, `until`).",
            ) from exc

    def _text(self) -> Iterator[bytes]:
        with closing(self._sorted()) as paths:
            for path in paths:
                with path.open("rb") as file:
                    while piece := file.read(PIECE_BYTES):
                        yield piece

    def _parquet(self) -> Iterator[bytes]:
        import pyarrow as pa
        import pyarrow.parquet as pq

        pa.set_memory_pool(pa.system_memory_pool())  # others keep what was freed
        sink, writer, schema = _Sink(), None, None
        with closing(self._sorted()) as paths:
            for path in paths:
                with pq.ParquetFile(path, pre_buffer=False) as file:
                    if writer is None:
                        # DuckDB says `not null` where a slice has no null.
                        schema = pa.schema([one.with_nullable(True) for one in file.schema_arrow])
                        writer = pq.ParquetWriter(sink, schema, **PARQUET)
                    for group in range(file.num_row_groups):
                        writer.write_table(file.read_row_group(group, use_threads=False).cast(schema))
                        pa.default_memory_pool().release_unused()  # glibc keeps it else, beside DuckDB's
                        yield sink.taken()
        if writer is not None:
            writer.close()
        yield sink.taken()

    def _sorted(self) -> Generator[Path, None, None]:
        """One slice after another as a file, which is removed when the next one is asked for; at least one."""
        groups = self._groups() or [_Group([], 0)]
        begins = [_BEGINNING, *(datetime(*group.days[0].timetuple()[:3], tzinfo=UTC) for group in groups[1:]), _END]
        for group, (begin, end) in zip(groups, pairwise(begins), strict=True):
            with workbench(
                memory_limit=PARQUET_MEMORY if self._kind == "parquet" else MEMORY, threads=1, grows=False
            ) as bench:
                self._read(bench, group.days)
                for low, high in self._cuts(bench, group.events, begin, end):
                    if high <= self._begin:
                        continue
                    if self._slices and not self._goes_on(self):
                        self.reached = max(low, self._begin)
                        return
                    for path in self._slice(bench, max(low, self._begin), high, self._slice_events):
                        yield path
                        path.unlink()

    def _groups(self) -> list[_Group]:
        """Days side by side, which together have at most `slice_events` unless they are one."""
        first, last = self._selection.since, self._selection.until
        first = max(first or _BEGINNING, self._begin)
        with self._state.read(FILE) as db:
            counts = ledger.events_between(db, first.date(), last.date() if last else date.max)
            self._renamed = ledger.renamed(db)
        groups: list[_Group] = []
        for day, events in counts:
            if groups and groups[-1].events + events <= self._slice_events:
                groups[-1] = _Group([*groups[-1].days, day], groups[-1].events + events)
            else:
                groups.append(_Group([day], events))
        return groups

    def _read(self, bench: ScratchDatabase, days: list[date]) -> None:
        """Make the view `stored` of the events of `days` that count."""
        for attempt in range(1, _ATTEMPTS + 1):
            keys, live = [], []
            if days:
                with self._state.read(FILE) as db:
                    keys = ledger.batches_between(db, days[0], days[-1])
                    live = ledger.live_generations(db, days)
            paths = [bench.folder / f"read-{number}.parquet" for number in range(len(keys))]
            missing = [key for key, path in zip(keys, paths, strict=True) if not self._store.download(key, path)]
            if not missing:
                break
            if attempt == _ATTEMPTS:
                raise UnavailableError(f"{missing[0]} is no longer there", code="object_missing", hint="Export again.")
        bench.table("live_generations", SESSION, live)
        if paths:
            bench.db.execute(f"CREATE VIEW stored AS {live_events(paths)}")
        else:
            fields = ", ".join(f"{name} {kind}" for name, kind in EVENT_COLUMNS.items())
            bench.db.execute(f"CREATE TABLE stored ({fields})")

    def _cuts(
        self, bench: ScratchDatabase, events: int, begin: datetime, end: datetime, size: int = 0
    ) -> list[tuple[datetime, datetime]]:
        """Spans of time, one after another from `begin` to `end`, of about `size` events each, or of `slice_events`."""
        size, cuts, held = size or self._slice_events, [begin], 0
        if events > size:
            for second, count in bench.db.execute(
                "SELECT epoch(date_trunc('second', occurred_at))::BIGINT AS second, count(*) FROM stored "
                "WHERE occurred_at >= $begin AND occurred_at < $end GROUP BY ALL ORDER BY second",
                {"begin": begin, "end": end},
            ).fetchall():
                if held and held + count > size:
                    cuts.append(max(begin, _EPOCH + timedelta(seconds=second)))
                    held = 0
                held += count
        return list(pairwise([*cuts, end]))

    def _slice(self, bench: ScratchDatabase, low: datetime, high: datetime, size: int) -> Iterator[Path]:
        """The events from `low` until `high` in one file; in several where they are more than the memory holds."""
        try:
            path = self._sort(bench, low, high)
        except duckdb.OutOfMemoryException:
            cuts = self._cuts(bench, size, low, high, size // 4) if size >= _LEAST_EVENTS else []
            if len(cuts) < 2:
                raise
            for span in cuts:
                yield from self._slice(bench, *span, size // 4)
        else:
            yield path

    def _sort(self, bench: ScratchDatabase, low: datetime, high: datetime) -> Path:
        bench.db.execute(
            f"CREATE OR REPLACE VIEW slice AS SELECT * FROM stored WHERE occurred_at >= TIMESTAMPTZ '{low.isoformat()}' "  # noqa: S608 (fixed parts)
            f"AND occurred_at < TIMESTAMPTZ '{high.isoformat()}'"
        )
        # A copy of an event has its time, so both are in one slice.
        copies.mark(bench, "slice")
        once = followed_events(copies.once("slice"), self._renamed)
        path = bench.folder / f"sorted.{self._kind}"
        rows = one_number(
            bench.db,
            f"COPY (SELECT {COLUMNS[self._kind]} FROM ({once}) WHERE {self._selection.where} "  # noqa: S608 (fixed parts)
            f"ORDER BY occurred_at, event_id) TO '{path}' ({copy_options(self._kind, header=not self._slices)})",
            self._selection.parameters,
        )
        self._slices += 1
        self.rows += rows
        return path


class _Sink(io.RawIOBase):
    """Takes what a writer writes, until it is taken away."""

    def __init__(self) -> None:
        self._held: list[bytes] = []

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        self._held.append(bytes(data))
        return len(data)

    def taken(self) -> bytes:
        held, self._held = b"".join(self._held), []
        return held


def _no_room(exc: Exception) -> UnavailableError:
    return UnavailableError(
        f"the export could not be written to this machine's disk: {str(exc).splitlines()[0][:300]}",
        code="disk_full",
        hint="Free space in the folder for temporary files, or export a shorter span (`since`, `until`).",
    )
