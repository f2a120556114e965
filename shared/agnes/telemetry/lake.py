"""The events of a span of days as one table, each once however many sessions have a copy of it."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import date
from pathlib import Path

from agnes.kernel.errors import UnavailableError
from agnes.kernel.ports import Blob, ObjectStore
from agnes.kernel.state import State
from agnes.telemetry import ledger
from agnes.telemetry.batch import EVENT_COLUMNS, Workbench, live_events, workbench
from agnes.telemetry.model import FILE

_READS_AT_ONCE = 8

# As in the rollups: failed if any copy saw it fail, with the largest usage that any copy saw.
_ONCE = """
CREATE VIEW events AS
SELECT * FROM stored ANTI JOIN copied USING (event_id)
UNION ALL BY NAME
SELECT * REPLACE (bool_or(is_error) OVER copies AS is_error, max(input_tokens) OVER copies AS input_tokens,
    max(output_tokens) OVER copies AS output_tokens, max(cache_read_tokens) OVER copies AS cache_read_tokens,
    max(cache_creation_tokens) OVER copies AS cache_creation_tokens)
FROM stored SEMI JOIN copied USING (event_id)
WINDOW copies AS (PARTITION BY event_id)
QUALIFY row_number() OVER (PARTITION BY event_id ORDER BY session_id) = 1
"""


@contextmanager
def events(
    store: ObjectStore, state: State, *, since: date | None = None, until: date | None = None, memory: str = "600MB"
) -> Iterator[Workbench]:
    """A workbench with the view `events`, its columns those of `EVENT_COLUMNS`, of the UTC days from `since` to `until`,
    both included. Raises UnavailableError, also if a redaction removes what is being read: ask again."""
    with state.read(FILE) as db:
        batches = ledger.batches_between(db, since or date.min, until or date.max)
        live = ledger.all_generations(db)
    with workbench(memory_limit=memory, threads=2) as bench:
        columns = {"user_id": "VARCHAR", "session_id": "VARCHAR", "generation": "VARCHAR"}
        bench.table("live_generations", columns, live)
        paths = _fetch(store, bench.folder, batches)
        if paths:
            bench.db.execute(f"CREATE VIEW stored AS {live_events(paths)}")
        else:
            fields = ", ".join(f"{name} {kind}" for name, kind in EVENT_COLUMNS.items())
            bench.db.execute(f"CREATE TABLE stored ({fields})")
        bench.db.execute("CREATE TABLE copied AS SELECT event_id FROM stored GROUP BY event_id HAVING count(*) > 1")
        bench.db.execute(_ONCE)
        yield bench


def _fetch(store: ObjectStore, folder: Path, keys: list[str]) -> list[Path]:
    """Objects as files; a few at a time are in memory."""

    def fetch(numbered: tuple[int, str]) -> Path:
        number, key = numbered
        blob = store.read(key)
        if not isinstance(blob, Blob):
            raise UnavailableError(f"{key} is no longer there", code="object_missing", hint="Try again.")
        path = folder / f"stored-{number}.parquet"
        path.write_bytes(blob.body)
        return path

    with ThreadPoolExecutor(_READS_AT_ONCE) as pool:
        return list(pool.map(fetch, enumerate(keys)))
