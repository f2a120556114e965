"""SQL that nobody has vouched for: refused, failed or killed, and never anything else."""

from __future__ import annotations

import hashlib
import json
import re
import resource
import socket
import sys
from pathlib import Path

import duckdb
import pytest

from agnes.sql import child, locked
from agnes.telemetry.ask import database
from tests.builders import locked_many
from tests.builders.asking import expected_rows, samples
from tests.builders.house import House
from tests.builders.people import seed_admin

pytestmark = pytest.mark.slow

TABLES = child.TABLE_FUNCTIONS
LONG = "sleep"
MOST_BYTES = 1_600_000_000


class Asked:
    """A database to ask, a port that listens, and a folder that must stay empty."""

    def __init__(self, made: database.Database, out: Path) -> None:
        self.made = made
        self.out = out
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.listener.settimeout(0)
        self.port = self.listener.getsockname()[1]

    def sql(self, sample) -> str:
        return sample.sql.replace("{out}", str(self.out)).replace("{port}", str(self.port))

    def outcome(self, sql: str, *, seconds: float = locked.SECONDS) -> tuple[str, object]:
        try:
            found = locked.run(sql, self.made.path, self.made.names, seconds=seconds)
        except locked.SqlRejected as refused:
            return "rejected", refused.reason
        except locked.SqlFailed as failed:
            return "failed", failed.reason
        return "ran", found

    def digest(self) -> str:
        return hashlib.sha256(self.made.path.read_bytes()).hexdigest()

    def assert_untouched(self, digest: str) -> None:
        assert self.digest() == digest
        assert list(self.out.iterdir()) == []
        assert sorted(path.name for path in self.made.path.parent.iterdir()) == [self.made.path.name]
        with pytest.raises(BlockingIOError):
            self.listener.accept()


@pytest.fixture(scope="module")
def asked(tmp_path_factory):
    with House(tmp_path_factory.mktemp("house")) as house:
        seed_admin(house)
        with database.made(house.state) as made:
            found = Asked(made, tmp_path_factory.mktemp("out"))
            yield found
            found.listener.close()


def in_one_process(asked, sqls, *, judged=True):
    """[outcome, what was said] of each; none of them runs on without an end."""
    request = {
        "path": [entry for entry in sys.path if entry],
        "functions": str(locked.FUNCTIONS),
        "database": str(asked.made.path),
        "views": {},
        "files": [],
        "tables": sorted(asked.made.names),
        "sqls": sqls,
        "judged": judged,
    }
    answer = locked_many.run(request, asked.out)
    assert answer["kernel"] == ["EMFILE"] * 3, "no file, no socket, no folder"
    return answer["outcomes"]


def test_hostile_sql_is_refused_or_fails(asked):
    before, corpus = asked.digest(), samples("hostile")
    outcomes = in_one_process(asked, [asked.sql(sample) for sample in corpus])
    wrong = [
        f"{sample.name}: {outcome}, {str(said)[:200]!r}"
        for sample, (outcome, said) in zip(corpus, outcomes, strict=True)
        if outcome != sample.expected[0] or not re.search(sample.expected[1], str(said))
    ]
    assert not wrong, "\n".join(wrong)
    assert len(corpus) > 120
    asked.assert_untouched(before)


def test_the_walls_behind_the_judge_hold_by_themselves(asked):
    """The same SQL, run whatever it is: DuckDB's lock and the kernel's limits let nothing out."""
    before, corpus = asked.digest(), samples("hostile")
    outcomes = in_one_process(asked, [asked.sql(sample) for sample in corpus if LONG not in sample.name], judged=False)
    said = json.dumps(outcomes)
    assert "root:x:0" not in said, "a file was read"
    assert "ANTHROPIC" not in said.replace("getenv('ANTHROPIC_API_KEY')", "")
    assert sum(outcome == "failed" for outcome, _ in outcomes) > 60
    asked.assert_untouched(before)


def test_harmless_sql_passes_with_its_rows(asked):
    corpus = samples("harmless")
    outcomes = in_one_process(asked, [sample.sql for sample in corpus])
    wrong = [
        f"{sample.name}: {outcome}, {said!r}"
        for sample, (outcome, said) in zip(corpus, outcomes, strict=True)
        if outcome != "ran" or said != expected_rows(sample)
    ]
    assert not wrong, "\n".join(wrong)


@pytest.mark.slow
@pytest.mark.parametrize("sample", samples("heavy"), ids=lambda sample: sample.name)
def test_heavy_sql_ends_in_time_and_memory(asked, sample):
    before = asked.digest()
    outcome, why = asked.outcome(sample.sql, seconds=2)  # which would take minutes, hours or all memory
    assert outcome == "failed" or [outcome] == sample.expected  # some end in time
    assert outcome == "ran" or re.search(r"memory|longer|Out of Range|Invalid Input", str(why)), why
    assert resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024 < MOST_BYTES
    asked.assert_untouched(before)


@pytest.mark.parametrize(
    ("sql", "expected", "pattern"),
    [
        ("SELECT count(*) FROM usage_users", "ran", ""),
        ("SELECT * FROM read_text('/etc/passwd')", "rejected", "read_text is not allowed"),
        ("SELECT nothing FROM usage_users", "failed", "Binder Error"),
        ("SELECT len(range(300000000))", "failed", "memory"),
        ("", "rejected", "there is none"),
        ("SELECT 1 -- " + "x" * 20_000, "rejected", "more than 20000 characters"),
        (f"SELECT {'(' * 9000}1{')' * 9000}", "failed", ""),
        (f"SELECT {'-' * 1}{'+1' * 9000}", "failed", "depth|memory|time"),
    ],
)
def test_a_child_of_its_own(asked, sql, expected, pattern):
    outcome, why = asked.outcome(sql)
    assert outcome == expected
    assert re.search(pattern, str(why))


def test_it_is_killed_when_its_time_is_over(asked):
    outcome, why = asked.outcome(samples("heavy")[3].sql, seconds=1.5)
    assert (outcome, why) == ("failed", "the query took longer than the 1.5 seconds that it may take")


def test_rows_and_bytes_are_bounded(asked):
    _, many = asked.outcome("SELECT i FROM range(1000000000) t(i)")
    assert (len(many.rows), many.cut) == (10_000, True)
    _, wide = asked.outcome("SELECT repeat('x', 100000) AS x FROM range(10000)")
    assert 30 < len(wide.rows) < 41
    assert wide.cut
    _, exact = asked.outcome("SELECT i FROM range(10000) t(i)")
    assert (len(exact.rows), exact.cut) == (10_000, False)


def test_every_allowed_function_is_known_to_this_duckdb():
    """A function that a new DuckDB brings is not allowed until somebody has looked at it."""
    known = {name for (name,) in duckdb.sql("SELECT DISTINCT function_name FROM duckdb_functions()").fetchall()}
    assert set(locked.FUNCTIONS.read_text().split()) - known - {"unnest"} == set()
    assert set(locked.FUNCTIONS.read_text().split()) >= child.TABLE_FUNCTIONS


def test_every_function_that_is_not_listed_is_refused(asked):
    """Of whatever kind the engine says it is: tables, scalars, aggregates, macros, pragmas."""
    listed = set(locked.FUNCTIONS.read_text().split())
    found = duckdb.sql("SELECT DISTINCT function_name, function_type FROM duckdb_functions()").fetchall()
    quoted = [(name, kind, '"{}"'.format(name.replace('"', '""'))) for name, kind in found]
    tables = [f"SELECT * FROM {q}('x')" for name, kind, q in quoted if "table" in kind and name not in TABLES]
    others = [f"SELECT {q}('x')" for name, kind, q in quoted if "table" not in kind and name not in listed]
    assert len(tables) > 80
    assert len(others) > 200
    outcomes = in_one_process(asked, [*tables, *others])
    ran = [
        f"{sql}: {outcome}, {said}"
        for sql, (outcome, said) in zip([*tables, *others], outcomes, strict=True)
        if outcome != "rejected"
    ]
    assert not ran, "\n".join(ran)
