"""Base rollups of a span of days as tables: what dashboards, summaries and costs are read from.

A part never changes, so a process keeps the last ones that it fetched.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import date
from pathlib import Path

from agnes.kernel.immutable import ImmutableCache
from agnes.kernel.ports import ObjectStore
from agnes.kernel.state import State
from agnes.telemetry.lake import damage, ledger, prices, rollups
from agnes.telemetry.lake.batch import ScratchDatabase, workbench
from agnes.telemetry.lake.damage import Written
from agnes.telemetry.lake.prices import ALL_TOKENS, COST
from agnes.telemetry.lake.renames import renames_table
from agnes.telemetry.model import FILE

MOST_PRICED = 20_000
"""Models, rates and days that are looked up in the price list for one answer; the rest is reported as unpriced."""

_READS_AT_ONCE = 8
_kept = ImmutableCache(64_000_000)


@contextmanager
def tables(
    store: ObjectStore,
    state: State,
    names: Sequence[str],
    *,
    since: date,
    until: date,
    days: Collection[date] | None = None,
    memory: str = "300MB",
    user_id: str | None = None,
    with_cost: bool = True,
) -> Iterator[ScratchDatabase]:
    """A workbench with a view for each of the tables `names` (`user` is `user_daily`), of the UTC days from `since` to
    `until`, both included, or of those of them that are among `days`; those with a `model` have `cost_usd` and
    `unpriced_tokens` too, unless it goes without cost. With `user_id` those of them with a `user_id` have this person's rows only.
    A day whose rollup is damaged is left out until the next run has made it again. Raises UnavailableError."""
    bases = {rollups.base_of(name) for name in names}

    def is_wanted(day: date) -> bool:
        return day <= until and (days is None or day in days)

    with state.read(FILE) as db:
        keys = {base: {d: key for d, key in ledger.parts_of(db, base, since).items() if is_wanted(d)} for base in bases}
        written = ledger.written(db, [key for of_days in keys.values() for key in of_days.values()])
        price_list, renamed = prices.price_list(db), ledger.renamed(db)
    with workbench(memory_limit=memory, threads=2) as bench:
        bench.db.execute(f"CREATE VIEW renamed AS FROM {renames_table(renamed)}")
        paths = _fetch(store, written, bench.folder)
        for of_days in keys.values():
            for day in [day for day, key in of_days.items() if key not in paths]:
                del of_days[day]
        priced = [name for name in names if with_cost and "model" in rollups.COLUMNS[name]]
        for name in names:
            files = {day: paths[key] for day, key in keys[rollups.base_of(name)].items()}
            view = f"{name}_plain" if name in priced else _view(name)
            is_part = user_id is not None and "user_id" in rollups.COLUMNS[name]
            rollups.table_of(bench, name, f"{name}_of_all" if is_part else view, files, renamed)
            if is_part:
                bench.db.execute(f"CREATE TABLE {view} AS FROM {name}_of_all WHERE user_id = ?", [user_id])
        if priced:
            price_list.into(bench, bench.db.execute(_pairs(priced)).fetchall())
        for name in priced:
            bench.db.execute(
                f"CREATE VIEW {_view(name)} AS SELECT r.*, {COST} AS cost_usd, "  # noqa: S608 (fixed parts)
                f"CASE WHEN p.model IS NULL THEN {ALL_TOKENS} ELSE 0 END AS unpriced_tokens "
                f"FROM {name}_plain r LEFT JOIN priced p USING (model, rate, day)"
            )
        yield bench


def _pairs(tables: Sequence[str]) -> str:
    """SQL for what has a price of its own, that with the most tokens first; one person can name any number of models."""
    rows = " UNION ALL ".join(f"SELECT model, rate, day, {ALL_TOKENS} AS took FROM {name}_plain" for name in tables)  # noqa: S608
    return f"SELECT model, rate, day FROM ({rows}) GROUP BY ALL ORDER BY sum(took) DESC, model, rate, day LIMIT {MOST_PRICED}"  # noqa: S608


def _view(table: str) -> str:
    """`user` and the like are words of SQL."""
    return table if table.endswith("_daily") else f"{table}_daily"


def _fetch(store: ObjectStore, written: Mapping[str, Written], folder: Path) -> dict[str, Path]:
    """Those that are what was written, by key; of the others a note is left for the run that repairs them."""
    damaged: list[str] = []

    def fetch(numbered: tuple[int, str]) -> tuple[str, Path] | None:
        number, key = numbered
        path = folder / f"part-{number}.parquet"
        body = _kept.get(store, key)
        if body is not None:
            path.write_bytes(body)
            return key, path
        blob = store.read(key)
        body = blob.body if blob is not None else None
        is_whole = damage.reason(body, written[key]) is None
        if is_whole and body is not None:
            path.write_bytes(body)
            is_whole = written[key].sha256 is not None or damage.is_readable(path)
        if not is_whole or body is None:
            damaged.append(key)
            return None
        _kept.put(store, key, body, len(body))
        return key, path

    with ThreadPoolExecutor(_READS_AT_ONCE) as pool:
        found = dict(filter(None, pool.map(fetch, enumerate(written))))
    damage.report(store, damaged)
    return found
