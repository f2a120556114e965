"""Sessions extracted in two processes give what one gives, whatever becomes of the other."""

from __future__ import annotations

import os
import random
import signal
import time
from collections.abc import Callable

import pytest

from agnes.kernel.ports import ANYTHING
from agnes.telemetry.extraction.served import Served
from agnes.telemetry.extraction.tick import ExtractionRun
from agnes.telemetry.keys import transcript_id
from agnes.telemetry.model import Limits, Report
from tests.builders.transcripts import Transcript
from tests.unit.telemetry.plant import FINOPS, USER, Plant

pytestmark = pytest.mark.slow

PARENT = os.getpid()
SESSIONS = 60
ALONE = Limits(processes=1)
SIDE_BY_SIDE = Limits(processes=3, alone_bytes=0, patience_seconds=0.5)


def session(number: int) -> str:
    return f"00000000-0000-4000-8000-{number:012d}"


def transcript(number: int) -> bytes:
    t = Transcript(session(number), rng=random.Random(number))
    t.at = t.at.replace(day=1 + number % 20)
    t.prompt("Go")
    for _ in range(number % 7 + 1):
        t.result(t.use("Skill", skill="finops:forecast"), "Launching", is_error=number % 3 == 0 or None)
    if number % 10 == 0:
        t.raw("this is no JSON")
    return t.body()


def fill(plant: Plant) -> None:
    for number in range(SESSIONS):
        plant.upload(transcript(number), session(number), user=f"user{number % 5}")
        if number % 8 == 0:
            plant.upload(transcript(number), session(number), user=f"user{number % 5}", agent="a1")
    # A copy of another session's records, one that cannot be unpacked, and one without a record.
    plant.upload(transcript(3).replace(session(3).encode(), session(90).encode()), session(90), user="user3")
    plant.upload(transcript(91), session(91))
    plant.memory.write(transcript_id(USER, session(91)).key, b"no zstd", expect=ANYTHING)
    plant.upload(b"{this is none\n", session(92))


def run(plant: Plant, limits: Limits, served: Callable[[str], Served] = lambda _user: FINOPS) -> Report:
    return ExtractionRun(
        plant.store, plant.state, clock=plant.clock, served_for=lambda _db: served, served_files=(), limits=limits
    ).run()


def found(plant: Plant, report: Report) -> tuple:
    report.quarantined.sort()
    batches = plant.rows("SELECT day, events FROM telemetry.batches ORDER BY ALL")
    return plant.tables(), batches, report, plant.quarantine_notes()


@pytest.fixture(scope="module")
def expected(tmp_path_factory):
    plant = Plant(tmp_path_factory.mktemp("alone"))
    fill(plant)
    found_alone = found(plant, run(plant, ALONE))
    assert len(found_alone[0]["sessions"]) == SESSIONS + 3
    yield found_alone
    plant.state.close()


def elsewhere(then: Callable[[], None]) -> Callable[[str], Served]:
    """Names as all have them; asked for in another process it does `then`."""

    def served(_user: str) -> Served:
        if os.getpid() != PARENT:
            then()
        return FINOPS

    return served


def some_raise() -> None:
    if time.monotonic_ns() % 2:
        raise MemoryError


FATES: dict[str, Callable[[], None]] = {
    "works": lambda: None,
    "raises now and then": some_raise,
    "is killed": lambda: os.kill(os.getpid(), signal.SIGKILL),
    "is stopped": lambda: os.kill(os.getpid(), signal.SIGSTOP),
    "hangs": lambda: time.sleep(1000),
    "exits": lambda: os._exit(0),
}


@pytest.mark.parametrize("fate", FATES)
def test_two_processes_give_what_one_gives(tmp_path, expected, fate):
    plant = Plant(tmp_path)
    fill(plant)
    tables, batches, report, notes = found(plant, run(plant, SIDE_BY_SIDE, elsewhere(FATES[fate])))
    assert tables == expected[0]
    assert batches == expected[1]
    assert report == expected[2]
    assert notes == expected[3]
    assert plant.keys("inbox/") == []
    plant.state.close()


def test_it_was_another_process(tmp_path):
    """What it does over there is seen here only by its file."""
    plant = Plant(tmp_path)
    fill(plant)
    seen = tmp_path / "seen"
    run(plant, SIDE_BY_SIDE, elsewhere(lambda: seen.open("a").write(f"{os.getpid()}\n")))
    assert len(set(seen.read_text().split())) == 2
    plant.state.close()


def test_a_round_that_ends_early_goes_on_with_the_rest(tmp_path, expected):
    """Whoever was underway when it ended belongs to it."""
    plant = Plant(tmp_path)
    fill(plant)
    limits = Limits(processes=3, alone_bytes=0, round_bytes=20_000)
    tables, _, report, _ = found(plant, run(plant, limits))
    assert tables == expected[0]
    assert report.left == 0
    plant.state.close()
