"""One's own figures, by hand: two models of which one has no price, a session over midnight, and a fork of it.

The clock stands at 2026-11-23 09:00. Mira's session LONG: a prompt and a response at 08:00, 10:00 and 23:00 of the 22nd and at 01:00
of the 23rd. FORK holds copies of all of it and one response of mystery-1 at 08:00 of the 23rd, in another folder. WEEK is of the
16th, 08:00 and 10:00, in a third folder. Noah does much in between, and nothing of it is Mira's.
"""

from __future__ import annotations

import random
from datetime import UTC, datetime

import pytest

from tests.builders.house import House
from tests.builders.people import add_person, seed_admin
from tests.builders.telemetry_house import run_usage, upload
from tests.builders.transcripts import Transcript

pytestmark = pytest.mark.slow

LONG = "5d2c8a10-0001-4f00-9a00-00000000aaaa"
FORK = "77777777-0002-4f00-9a00-00000000bbbb"
WEEK = "88888888-0003-4f00-9a00-00000000cccc"
NOAHS = "99999999-0004-4f00-9a00-00000000dddd"
SONNET, MYSTERY = "claude-sonnet-4-6", "mystery-1"
INPUT = 1_000_000
"""Of each response, 3 dollars of a known model."""


def at(day: int, hour: int) -> datetime:
    return datetime(2026, 11, day, hour, tzinfo=UTC)


def talk(t: Transcript, *times: datetime, model: str = SONNET) -> None:
    for moment in times:
        t.at = moment
        t.prompt("More")
        t.say([{"type": "text", "text": "Yes"}], tokens=(INPUT, 0, 0, 0), model=model)


@pytest.fixture(scope="module")
def used(tmp_path_factory):
    with House(tmp_path_factory.mktemp("house")) as house:
        admin = seed_admin(house)
        mira, noah = (add_person(house, admin, f"{name}@example.com") for name in ("mira", "noah"))
        long = Transcript(LONG, rng=random.Random(1), cwd="/ws/one")
        talk(long, at(22, 8), at(22, 10), at(22, 23), at(23, 1))
        fork = Transcript(FORK, rng=random.Random(2), cwd="/ws/two")
        fork.lines = [line.replace(LONG, FORK) for line in long.lines]
        talk(fork, at(23, 8), model=MYSTERY)
        week = Transcript(WEEK, rng=random.Random(3), cwd="/ws/three")
        talk(week, at(16, 8), at(16, 10))
        noahs = Transcript(NOAHS, rng=random.Random(4), cwd="/ws/noah")
        talk(noahs, *(at(day, 12) for day in range(10, 23)))
        for who, t in ((mira, long), (mira, fork), (mira, week), (noah, noahs)):
            upload(house, who, t.session, t.body())
        run_usage(house, admin)
        yield house, mira, noah


def home(house: House, who, window: str) -> dict:
    answer = house.get(f"/api/me/home-stats?window={window}", token=who.token)
    assert answer.status == 200, answer.text
    return answer.json()


def test_a_day_and_a_week_are_exact_to_the_second(used):
    house, mira, noah = used
    # Since 09:00 of the 22nd: 10:00, 23:00, 01:00, and the fork's own; copies are counted once.
    assert home(house, mira, "24h") == {
        "window": "24h",
        "sessions": 2,
        "prompts": 4,
        "tokens": 4 * INPUT,
        "folders": 2,
        "estimated_sessions": 0,
    }
    # Since 09:00 of the 16th.
    assert home(house, mira, "7d") == {
        "window": "7d",
        "sessions": 3,
        "prompts": 6,
        "tokens": 6 * INPUT,
        "folders": 3,
        "estimated_sessions": 0,
    }
    assert home(house, noah, "24h") == {
        "window": "24h",
        "sessions": 1,
        "prompts": 1,
        "tokens": INPUT,
        "folders": 1,
        "estimated_sessions": 0,
    }


def test_home_figures_read_nothing_of_other_people_but_rollups(used):
    house, mira, noah = used
    house.get("/api/me/home-stats?window=7d", token=noah.token)
    for entry in list(house.store.list("telemetry/events/")):
        house.store.remove([entry.key])
    for entry in list(house.store.list(f"sessions/{noah.id}/")):
        house.store.remove([entry.key])
    assert home(house, mira, "7d")["prompts"] == 6


def test_tokens_are_of_the_day_and_the_model_of_each_response(used):
    house, mira, _ = used
    found = house.get("/api/me/stats/tokens?days=2", token=mira.token).json()
    told = [
        (day["day"], [(of["model"], of["responses"], of["tokens"]["cost_usd"]) for of in day["by_model"]])
        for day in found["daily"]
    ]
    assert told == [
        ("2026-11-22", [(SONNET, 3, pytest.approx(9.0))]),
        ("2026-11-23", [(SONNET, 1, pytest.approx(3.0)), (MYSTERY, 1, None)]),  # unknown, never zero
    ]
    of_model = {of["model"]: of["tokens"] for of in found["by_model"]}
    assert of_model[SONNET] == {
        "input_tokens": 4 * INPUT, "output_tokens": 0, "cache_read_tokens": 0, "cache_creation_tokens": 0,
        "total_tokens": 4 * INPUT, "cost_usd": pytest.approx(12.0), "unpriced_tokens": 0,
    }  # fmt: skip
    assert (of_model[MYSTERY]["cost_usd"], of_model[MYSTERY]["unpriced_tokens"]) == (None, INPUT)
    today = found["daily"][1]["tokens"]
    assert (today["total_tokens"], today["cost_usd"], today["unpriced_tokens"]) == (
        2 * INPUT,
        pytest.approx(3.0),
        INPUT,
    )
    life = found["lifetime"]
    assert (life["total_tokens"], life["cost_usd"], life["unpriced_tokens"]) == (7 * INPUT, pytest.approx(18.0), INPUT)
    assert [row["session_id"] for row in found["top_sessions"]] == [FORK, LONG]


def test_a_day_without_anything_costs_nothing_that_is_known(used):
    house, mira, _ = used
    days = house.get("/api/me/stats/tokens?days=3", token=mira.token).json()["daily"]
    assert (days[0]["day"], days[0]["by_model"], days[0]["tokens"]["cost_usd"]) == ("2026-11-21", [], None)
