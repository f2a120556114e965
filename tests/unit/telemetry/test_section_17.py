"""Spec 04, section 17, 5 to 20: one corpus, a session for each case, and figures that were computed by hand.

`WINDOWS`, `SUMMARIES` and `DAYS` are all that the corpus comes to; the tests below say which case a line stands for. Not
here: 13 (test_upkeep.py), 18 (the digest that Ask is given) and 19 (downloads), which are other rooms' work.
"""

from __future__ import annotations

import random
from datetime import date, timedelta
from typing import Any

import pytest

from agnes.telemetry.extraction import upkeep
from agnes.telemetry.extraction.served import Served, ServedPlugin
from tests.builders.transcripts import START, Transcript
from tests.unit.telemetry.plant import Plant

pytestmark = pytest.mark.slow

FINOPS = ServedPlugin("curated", "acme", "finops")
SQL_OF_ACME, SQL_OF_ZETA = ServedPlugin("curated", "acme", "sql"), ServedPlugin("curated", "zeta", "sql")
CHARTKIT = ServedPlugin("flea", "", "chartkit", {("skill", "bar"): "bar"})
SERVED = Served(
    {
        "fin-ops": (FINOPS,),  # its plugin.json has another name than its listing
        "finops": (FINOPS,),
        "sql": (SQL_OF_ACME, SQL_OF_ZETA),
        "chartkit-by-omar": (CHARTKIT,),
    }
)
CAUSED = {"attributionPlugin": "finops", "attributionSkill": "finops:forecast"}
NONE = (0, 0, 0, 0)


def session(number: int, part: int = 0) -> str:
    return f"{number:08d}-0000-4000-8000-{part:012d}"


def transcript(number: int, part: int = 0, *, days_ago: float = 0) -> Transcript:
    at = START - timedelta(days=days_ago)
    return Transcript(session(number, part), at=at, rng=random.Random(100 * number + part))


def skill(t: Transcript, name: str, **how: Any) -> None:
    t.result(t.use("Skill", skill=name, tokens=NONE), "Launching", **how)


def served_names(plant: Plant) -> None:
    """6, 7: items ship under their served names, and nested flea items reach the rollups."""
    t = transcript(6)
    t.prompt("Go")
    skill(t, "chartkit-by-omar:bar")
    skill(t, "fin-ops:close")
    plant.upload(t.body(), session(6))


def one_name_of_two_marketplaces(plant: Plant) -> None:
    """8: user1 is served acme's sql, user2 zeta's."""
    plant.names_of["user2"] = SERVED.for_user(frozenset({("zeta", "sql")}))
    for part, user in enumerate(("user1", "user2", "user2")):
        t = transcript(8, part)
        skill(t, "sql:review")
        plant.upload(t.body(), session(8, part), user=user)


def late_result(plant: Plant) -> None:
    """9: a result arrives after its call was counted; and a session comes again, shorter and different."""
    t = transcript(9)
    call = t.use("Skill", skill="finops:late", tokens=NONE)
    plant.upload(t.body(), session(9))
    long = transcript(9, 1)
    for _ in range(5):
        skill(long, "finops:never")
    plant.upload(long.body(), session(9, 1))
    plant.run()
    t.result(call, "denied", is_error=True)
    plant.upload(t.body(), session(9))
    short = transcript(9, 1)
    short.rng.seed("another")
    short.prompt("Go")
    plant.upload(short.body(), session(9, 1))


def many_days(plant: Plant) -> None:
    """10: ten days, and all of them are there after a reprocessing."""
    for part in range(10):
        t = transcript(10, part, days_ago=part)
        skill(t, "finops:daily")
        plant.upload(t.body(), session(10, part))


def malformed(plant: Plant) -> None:
    """11: every line that breaks the reference, and a good one behind each."""
    t = transcript(11)
    for line in (
        '{"type":"user","uuid":"n1","timestamp":1795165200000,"message":{"content":"numeric time"}}',
        '{"type":"user","uuid":"n2","message":"a string"}',
        '{"type":"assistant","uuid":"n3","message":{"id":"m1","content":[{"type":"tool_use","id":"x","name":"Bash","input":"ls"}]}}',
        "[1, 2]",
        '{"type":"user","uuid":"n4","timestamp":"2026-11-20T09:00:00","message":{"content":"no zone"}}',
    ):
        t.raw(line)
        skill(t, "finops:survives")
    body = t.body() + b'{"type":"user","uuid":"n5","message":{"content":"\xff\xfe"}}\n{"type":"user","uuid":"n6","mess'
    plant.upload(body, session(11))


def repeated_usage(plant: Plant) -> None:
    """14: one response in three lines; a tool's result and a meta text are no prompts."""
    t = transcript(14)
    t.prompt("Go")
    t.prompt("Base directory for this skill: …", isMeta=True)
    t.say([], message_id="m14", tokens=(100, 1, 2000, 30), **CAUSED)
    t.say([], message_id="m14", tokens=(100, 50, 2000, 30), **CAUSED)
    call = t.use("Bash", {"command": "ls"}, message_id="m14", tokens=(100, 90, 2000, 30), attribution=CAUSED)
    t.result(call, "ok")
    plant.upload(t.body(), session(14))


def fork(plant: Plant) -> None:
    """15: a copy of the history in a new file, whose first record still names the old session."""
    t = transcript(15)
    t.prompt("Go")
    skill(t, "finops:forked")
    plant.upload(t.body(), session(15))
    first, *others = t.lines
    copy = [first, *(line.replace(session(15), session(15, 1)) for line in others)]
    t.lines, t.session = copy, session(15, 1)
    skill(t, "finops:forked")
    plant.upload(t.body(), session(15, 1))


def windows(plant: Plant) -> None:
    """16: a use on each side of both windows' edges, and a typed command that the client turns into a call."""
    today = plant.clock.now().date()
    for part, days in enumerate((6, 7, 29, 30)):
        t = transcript(16, part)
        t.at = t.at.replace(year=today.year, month=today.month, day=today.day, hour=0) - timedelta(days=days)
        skill(t, "finops:edge", is_error=days == 6 or None)
        plant.upload(t.body(), session(16, part))
    t = transcript(16, 9)
    t.command("finops:typed")
    skill(t, "finops:typed", is_error=True)
    plant.upload(t.body(), session(16, 9))


def unmatched(plant: Plant) -> None:
    """17: a prefix that nobody serves counts for nobody, in the event and in the rollup alike."""
    t = transcript(17)
    t.command("nobody:x")
    skill(t, "nobody:y")
    plant.upload(t.body(), session(17))


def zones(plant: Plant) -> None:
    """20: half past midnight in Prague is the day before in UTC."""
    t = transcript(20)
    t.use("Skill", skill="finops:midnight", tokens=NONE)
    plant.upload(t.body().replace(b"2026-11-20T09:00:00.000Z", b"2026-11-20T00:30:00.000+01:00"), session(20))


# (source, marketplace, plugin, kind, name): uses, users and errors of 7 days, the same of 30, tokens
WINDOWS = {
    ("curated", "acme", "finops", "plugin", "finops"): ((16, 1, 3), (24, 1, 3), 2220),
    ("curated", "acme", "finops", "skill", "close"): ((1, 1, 0), (1, 1, 0), 0),  # 6
    ("curated", "acme", "finops", "skill", "daily"): ((4, 1, 0), (10, 1, 0), 0),  # 10
    ("curated", "acme", "finops", "skill", "edge"): ((1, 1, 1), (3, 1, 1), 0),  # 16
    ("curated", "acme", "finops", "skill", "forecast"): ((0, 0, 0), (0, 0, 0), 2220),  # 14
    ("curated", "acme", "finops", "skill", "forked"): ((2, 1, 0), (2, 1, 0), 0),  # 15
    ("curated", "acme", "finops", "skill", "late"): ((1, 1, 1), (1, 1, 1), 0),  # 9
    ("curated", "acme", "finops", "skill", "midnight"): ((1, 1, 0), (1, 1, 0), 0),  # 20
    ("curated", "acme", "finops", "skill", "survives"): ((5, 1, 0), (5, 1, 0), 0),  # 11
    ("curated", "acme", "finops", "skill", "typed"): ((1, 1, 1), (1, 1, 1), 0),  # 16
    ("curated", "acme", "sql", "plugin", "sql"): ((1, 1, 0), (1, 1, 0), 0),  # 8
    ("curated", "acme", "sql", "skill", "review"): ((1, 1, 0), (1, 1, 0), 0),  # 8
    ("curated", "zeta", "sql", "plugin", "sql"): ((2, 1, 0), (2, 1, 0), 0),  # 8
    ("curated", "zeta", "sql", "skill", "review"): ((2, 1, 0), (2, 1, 0), 0),  # 8
    ("flea", "", "chartkit", "plugin", "chartkit"): ((1, 1, 0), (1, 1, 0), 0),  # 6
    ("flea", "", "chartkit", "skill", "bar"): ((1, 1, 0), (1, 1, 0), 0),  # 7
}

# Uses of finops by day: the 30 days of the window, and one more.
DAYS = {
    date(2026, 10, 24): 1,  # 16: outside of the window of 30 days
    date(2026, 10, 25): 1,
    **{date(2026, 11, day): 1 for day in range(11, 16)},
    date(2026, 11, 16): 2,
    date(2026, 11, 17): 2,
    date(2026, 11, 18): 1,
    date(2026, 11, 19): 2,  # 20: with the one that was on the 20th in Prague
    date(2026, 11, 20): 11,
}

# Session: prompts, responses, tool calls, skills, commands, errors, tokens.
SUMMARIES = {
    session(6): (1, 2, 2, 2, 0, 0, 0),
    session(9): (0, 1, 1, 1, 0, 1, 0),  # 9: flipped
    session(9, 1): (1, 0, 0, 0, 0, 0, 0),  # 9: nothing is left of the longer one
    session(11): (3, 6, 6, 5, 0, 0, 0),  # 11
    session(14): (1, 1, 1, 0, 0, 0, 2220),  # 14: tripled in the reference
    session(15): (1, 1, 1, 1, 0, 0, 0),
    session(15, 1): (1, 2, 2, 2, 0, 0, 0),  # 15: a summary says what its files say; figures count copies once
    session(16, 9): (1, 1, 1, 1, 1, 1, 0),
    session(17): (1, 1, 1, 1, 1, 0, 0),
}

CASES = (
    *(served_names, one_name_of_two_marketplaces, late_result, many_days, malformed, repeated_usage, fork, windows),
    *(unmatched, zones),
)


@pytest.fixture(scope="module")
def plant(tmp_path_factory):
    plant = Plant(tmp_path_factory.mktemp("section-17"))
    plant.names = SERVED
    for case in CASES:
        case(plant)
    report = plant.run()
    assert (report.left, report.quarantined) == (0, [])
    yield plant
    plant.state.close()


def found_windows(plant: Plant) -> dict[tuple, tuple]:
    rows = plant.rows(
        "SELECT source, marketplace_id, plugin, kind, name, invocations_7d, distinct_users_7d, errors_7d, invocations_30d, "
        "distinct_users_30d, errors_30d, tokens_30d FROM telemetry.item_windows"
    )
    return {row[:5]: (row[5:8], row[8:11], row[11]) for row in rows}


def found_days(plant: Plant) -> dict[date, int]:
    return dict(
        plant.rows("SELECT day, invocations FROM telemetry.item_daily WHERE kind = 'plugin' AND plugin = 'finops'")
    )


def test_the_figures_are_those_of_the_hand(plant):
    assert found_windows(plant) == WINDOWS


def test_the_days_are_those_of_the_hand(plant):
    assert found_days(plant) == DAYS


def test_16_a_series_sums_to_its_window_and_errors_are_no_more_than_uses(plant):
    today = plant.clock.now().date()
    for days, at in ((7, 0), (30, 1)):
        series = sum(n for day, n in DAYS.items() if today - timedelta(days=days) < day <= today)
        assert series == WINDOWS["curated", "acme", "finops", "plugin", "finops"][at][0]
    assert all(
        errors <= uses for seven, thirty, _ in found_windows(plant).values() for uses, _, errors in (seven, thirty)
    )


def test_the_sessions_are_those_of_the_hand(plant):
    rows = plant.rows(
        "SELECT session_id, user_messages, assistant_messages, tool_calls, skill_invocations, slash_commands, tool_errors, "
        "input_tokens + output_tokens + cache_read_tokens + cache_creation_tokens FROM telemetry.sessions"
    )
    found = {row[0]: row[1:] for row in rows}
    assert {which: found[which] for which in SUMMARIES} == SUMMARIES


def test_11_what_is_malformed_is_skipped_by_the_line(plant):
    sql = f"SELECT lines, skipped_lines FROM telemetry.transcripts WHERE session_id = '{session(11)}'"
    assert plant.rows(sql) == [(17, 3)]


def test_10_a_reprocessing_keeps_every_day(plant):
    before, days = plant.tables(), plant.rows("SELECT DISTINCT day FROM telemetry.batches ORDER BY day")
    plant.clock.sleep(1)
    upkeep.reprocess(plant.state, clock=plant.clock)
    assert plant.run().sessions == len(before["sessions"])
    assert plant.tables() == before
    assert plant.rows("SELECT DISTINCT day FROM telemetry.batches ORDER BY day") == days


class GrowingStore:
    """While the transcript is read, its next version arrives."""

    def __init__(self, inner: Any) -> None:
        self._inner = inner
        self.then: Any = None

    def read(self, key: str) -> Any:
        found = self._inner.read(key)
        if key.startswith("sessions/") and self.then is not None:
            then, self.then = self.then, None
            then()
        return found

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)


def test_5_one_person_makes_nothing_popular(tmp_path):
    """A tenth of 3,000 calls failed: a thousand count, a tenth of them failed, and the person's own figure has all."""
    plant = Plant(tmp_path)
    t = transcript(5)
    for number in range(3000):
        t.at = START + timedelta(seconds=number)
        skill(t, "finops:loop", is_error=number % 10 == 0)
    plant.upload(t.body(), session(5))
    plant.run()
    (of_loop,) = (figures for key, figures in found_windows(plant).items() if key[3:] == ("skill", "loop"))
    assert of_loop[1] == (1000, 1, 100)
    (mine,) = plant.rows("SELECT tool_calls FROM telemetry.sessions")
    assert mine == (3000,)
    plant.state.close()


def test_12_a_file_that_is_replaced_while_it_is_read_is_read_again(tmp_path):
    plant = Plant(tmp_path, wrap=GrowingStore)
    t = transcript(12)
    skill(t, "finops:grows")
    plant.upload(t.body(), session(12))
    skill(t, "finops:grows")
    plant.store.then = lambda: plant.upload(t.body(), session(12))
    plant.run()
    assert plant.plugin("finops")["invocations_30d"] == 1
    plant.run()
    assert plant.plugin("finops")["invocations_30d"] == 2
    assert plant.keys("inbox/") == []
    plant.state.close()
