"""What is used together: counted by hand from rows of `plugin_session`."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, timedelta

import pytest

from agnes.telemetry.lake import rollups, windows
from agnes.telemetry.lake.batch import workbench

pytestmark = pytest.mark.slow

TODAY = date(2026, 11, 25)
Row = tuple[int, str, int, int]
"""Days ago, plugin, session, invocations."""


def together(rows: Iterable[Row], *, older: Iterable[int] = (), **how: int) -> list[tuple[str, str, int, float]]:
    """`older` are days ago whose files know nothing of sessions."""
    rows = list(rows)
    with workbench(threads=1, memory_limit="150MB") as bench:
        files = {}
        for ago in {row[0] for row in rows}:
            path = bench.folder / f"use-{ago}.parquet"
            of_day = [("plugin_session", "curated", "acme", *row[1:]) for row in rows if row[0] == ago]
            columns = {"part": "VARCHAR", **rollups.COLUMNS[rollups.PLUGIN_SESSION]}
            bench.table("rows_of_day", columns, of_day)
            bench.db.execute(f"COPY rows_of_day TO '{path}' (FORMAT parquet)")
            files[TODAY - timedelta(days=ago)] = path
        for ago in older:
            path = bench.folder / f"old-{ago}.parquet"
            bench.db.execute(
                f"COPY (SELECT 'user' AS part, 'u1' AS user_id, 1 AS sessions, 'curated' AS source, 'acme' AS marketplace_id, "
                f"'a' AS plugin, 1 AS invocations) TO '{path}' (FORMAT parquet)"
            )
            files[TODAY - timedelta(days=ago)] = path
        found = windows.together(bench, files, today=TODAY, **how)
    return [(row["plugin"], row["with_plugin"], row["sessions_30d"], row["likeness"]) for row in found]


def sessions(numbers: Iterable[int], *plugins: str, ago: int = 0) -> list[Row]:
    return [(ago, plugin, number, 1) for number in numbers for plugin in plugins]


def test_likeness_is_the_part_that_used_both_of_those_that_used_either():
    rows = sessions(range(3), "a", "b") + sessions(range(10, 12), "a") + sessions(range(20, 21), "b")
    assert together(rows) == [("a", "b", 3, pytest.approx(3 / 6)), ("b", "a", 3, pytest.approx(3 / 6))]


def test_two_sessions_say_nothing_and_three_do():
    assert together(sessions(range(2), "a", "b")) == []
    assert len(together(sessions(range(3), "a", "b"))) == 2


def test_a_session_of_several_days_is_one_and_days_before_the_month_are_none():
    spread = sessions(range(3), "a", ago=1) + sessions(range(3), "b") + sessions(range(3), "a", "b", ago=2)
    assert [row[2] for row in together(spread)] == [3, 3]
    assert len(together(sessions(range(3), "a", "b", ago=29))) == 2
    assert together(sessions(range(3), "a", "b", ago=30)) == []


def test_days_made_before_sessions_were_kept_are_read_and_say_nothing():
    assert together([], older=(1,)) == []
    assert together([]) == []
    assert len(together(sessions(range(3), "a", "b"), older=(1, 2))) == 2


def test_a_plugin_has_the_likest_twelve_and_ties_are_by_name():
    rows = sessions(range(4), "hub", *(f"p{n:02d}" for n in range(15)))
    of_hub = [row[1] for row in together(rows) if row[0] == "hub"]
    assert len(of_hub) == windows.TOGETHER_AT_MOST
    assert of_hub == [f"p{n:02d}" for n in range(12)]
    # What is used everywhere else too is less alike than what goes with it alone.
    rows += sessions(range(100, 140), "p00")
    assert [row[1] for row in together(rows) if row[0] == "hub"] == [f"p{n:02d}" for n in range(1, 13)]


def test_of_a_session_with_everything_the_fifty_most_used_count():
    rows = [(0, f"p{n:02d}", number, 100 - n) for number in range(3) for n in range(60)]
    found = together(rows)
    assert {row[0] for row in found} == {f"p{n:02d}" for n in range(windows.PLUGINS_OF_A_SESSION)}


def test_work_is_bounded_and_sessions_of_few_plugins_say_most():
    rows = sessions(range(3), "a", "b") + sessions(range(10, 20), "a", "b", "c", "d") + sessions(range(30, 33), "a")
    found = together(rows, most_pairs=4)
    assert found == [("a", "b", 3, pytest.approx(3 / 6)), ("b", "a", 3, pytest.approx(3 / 6))]
