"""Damaged objects of the lake: each kind, each damage, each reader. Nobody else is stopped, and the next run repairs.

One world is built; each case begins with a copy of what its store held.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

import msgspec
import pytest

from agnes.kernel.ports import ANYTHING
from agnes.telemetry import sealed
from agnes.telemetry.extraction.inbox import Batch
from agnes.telemetry.lake import damages, event_table, ledger, parts, rollups
from agnes.telemetry.lake.damage import LakeDamaged
from agnes.telemetry.transcripts import tombstones
from tests.builders.transcripts import Transcript
from tests.unit.telemetry.plant import Plant

ADA, BEN = "user1", "user2"
A = "5d2c8a10-0001-4f00-9a00-00000000aaaa"
B = "77777777-0002-4f00-9a00-00000000bbbb"
C = "77777777-0003-4f00-9a00-00000000cccc"
HARMS = ("absent", "empty", "truncated", "one bit", "another's")
EVENT_FILE, ITEMS, USE = (
    "telemetry/events/",
    "telemetry/rollups/item_user_daily/",
    "telemetry/rollups/use_daily/",
)


def work(session: str, *, days: tuple[int, ...] = (20, 21), plugin: str = "finops") -> bytes:
    t = Transcript(session)
    for day in days:
        t.at = t.at.replace(day=day)
        t.prompt("Forecast")
        t.result(t.use("Skill", skill=f"{plugin}:forecast"), "Launching")
        t.result(t.use("Bash", command="false"), "no", is_error=True)
    return t.body()


@dataclass
class World:
    held: dict[str, Any]
    tables: dict[str, Any]
    figures: dict[str, Any]
    now: Any


def figures(plant: Plant) -> dict[str, Any]:
    """What pages, dashboards and exports have, by reading all objects of the lake."""
    span = {"since": date.min, "until": date.max}
    with parts.tables(plant.store, plant.state, tuple(rollups.COLUMNS), **span) as bench:
        found = {
            name: bench.db.execute(f"SELECT * FROM {parts._view(name)} ORDER BY ALL").fetchall()
            for name in rollups.COLUMNS
        }
    with event_table.events(plant.store, plant.state) as bench:
        found["events"] = bench.db.execute("SELECT * EXCLUDE generation FROM events ORDER BY ALL").fetchall()
    return found


@pytest.fixture(scope="module")
def world(tmp_path_factory) -> World:
    plant = Plant(tmp_path_factory.mktemp("world"))
    plant.upload(work(A), A, user=ADA)
    plant.run()
    plant.clock.sleep(60)
    plant.upload(work(B, plugin="chartkit"), B, user=BEN)
    plant.run()
    made = World(dict(plant.memory._held), plant.tables(), figures(plant), plant.clock.now())
    plant.state.close()
    return made


@pytest.fixture
def plant(world, tmp_path):
    plant = Plant(tmp_path)
    plant.memory._held = dict(world.held)
    plant.clock.sleep((world.now - plant.clock.now()).total_seconds() + 121)
    yield plant
    plant.state.close()


def harm(plant: Plant, key: str, how: str) -> None:
    body = plant.memory.read(key).body
    if how == "absent":
        plant.memory.remove([key])
        return
    others = [other for other in plant.keys(key.rpartition("/")[0].rpartition("/")[0]) if other != key]
    changed = {
        "empty": lambda: b"",
        "truncated": lambda: body[: len(body) // 2],
        "one bit": lambda: body[: len(body) // 2] + bytes([body[len(body) // 2] ^ 1]) + body[len(body) // 2 + 1 :],
        "another's": lambda: plant.memory.read(others[0]).body,
    }[how]()
    plant.memory.write(key, changed, expect=ANYTHING)


def named(plant: Plant, kind: str) -> list[str]:
    """Keys of this kind that the ledger has; replaced objects stay in the store for a day."""
    with plant.state.read("telemetry") as db:
        return sorted(key for key in ledger.written(db) if key.startswith(kind))


def damaged(plant: Plant) -> damages.Damage:
    with plant.state.read("telemetry") as db:
        return damages.since(db, plant.clock.now() - timedelta(days=1))


@pytest.mark.parametrize("how", HARMS)
@pytest.mark.parametrize("kind", [EVENT_FILE, ITEMS, USE])
def test_a_run_that_has_new_work_repairs_and_goes_on(plant, world, kind, how):
    """A third person's session of the same days arrives: it is counted, and so is everything from before."""
    key = named(plant, kind)[0]
    harm(plant, key, how)
    plant.upload(work(C), C, user="user3")
    report = plant.run()
    # A rollup of a day that has new events is made anew without being read.
    seen = kind == EVENT_FILE or how != "one bit"
    assert [line.partition(": ")[0] for line in report.damaged] == [key] * seen
    assert (report.left, report.lost) == (0, 0)
    found = plant.tables()
    assert {row[0] for row in found["sessions"]} == {ADA, BEN, "user3"}
    one = next(row for row in found["windows"] if row[2] == "finops" and row[3] == "skill")
    assert one != next(row for row in world.tables["windows"] if row[2] == "finops" and row[3] == "skill")
    assert [row for row in found["sessions"] if row[0] != "user3"] == world.tables["sessions"]
    assert [row for row in figures(plant)["events"] if row[1] != "user3"] == world.figures["events"]
    assert damaged(plant).unrepaired == 0
    assert plant.keys("damaged/") == ([f"damaged/{key}"] if seen and how != "absent" else [])
    assert plant.run().damaged == []


@pytest.mark.parametrize("how", HARMS)
@pytest.mark.parametrize("kind", [EVENT_FILE, ITEMS, USE])
def test_readers_say_or_leave_out_and_the_next_idle_run_repairs(plant, world, kind, how):
    key = named(plant, kind)[0]
    harm(plant, key, how)
    if kind == EVENT_FILE:
        with pytest.raises(LakeDamaged, match="event file of 2026-"), event_table.events(plant.store, plant.state):
            pass
        with event_table.events(plant.store, plant.state, partial=True) as bench:
            (events,) = bench.db.execute("SELECT count(*) FROM events").fetchone()
        assert 0 < events < len(world.figures["events"])
    else:
        with parts.tables(
            plant.store,
            plant.state,
            (rollups.ITEM_USER_DAILY if kind == ITEMS else rollups.USER,),
            since=date.min,
            until=date.max,
        ):
            pass
    assert len(plant.keys("telemetry/damaged/")) == 1
    report = plant.run()
    assert len(report.damaged) == 1
    assert plant.tables() == world.tables
    assert figures(plant) == world.figures
    assert plant.keys("telemetry/damaged/") == []
    assert damaged(plant).rebuilt == 1


def test_what_has_no_transcript_any_more_is_lost_and_counted(plant, world):
    plant.memory.remove([key for key in plant.keys("sessions/") if A in key])
    (key, *_) = [key for key in named(plant, EVENT_FILE) if "day=2026-11-20" in key]
    harm(plant, key, "truncated")
    report = plant.run()
    assert (report.lost, report.rebuilt) == (1, 0)
    found = damaged(plant)
    assert (found.sessions_lost, found.unrepaired, found.days) == (1, 0, (date(2026, 11, 20),))
    found = plant.tables()
    assert [row[3:] for row in found.pop("sessions")] == [row[3:] for row in world.tables["sessions"]]
    assert found == {name: world.tables[name] for name in found}, "figures stay until the day is rolled up again"
    assert plant.run().lost == 0


def test_a_rollup_of_a_day_whose_events_were_pruned(plant):
    plant.state.commit("telemetry", lambda tx: ledger.prune(tx, date(2026, 11, 21), at=plant.clock.now()))
    (key,) = [key for key in named(plant, ITEMS) if "day=2026-11-20" in key]
    harm(plant, key, "empty")
    plant.run()
    assert damaged(plant).rollups_lost == 1
    figures(plant)


def test_a_run_that_died_while_it_repaired_is_gone_on_with(plant, world):
    harm(plant, named(plant, EVENT_FILE)[0], "empty")
    made = plant.made()
    rounds = made._rounds
    made._rounds = lambda *_: iter(())
    made.run()
    assert damaged(plant).unrepaired == 1
    made._rounds = rounds
    plant.run()
    assert damaged(plant).unrepaired == 0
    assert figures(plant) == world.figures


@pytest.mark.parametrize("how", HARMS[1:])
def test_notes(plant, world, how):
    """A damaged note names nobody: its transcript is found by looking at all of them."""
    plant.upload(work(C), C, user="user3")
    (note,) = plant.keys("inbox/")
    if how == "another's":
        plant.upload(work(A), A, user=ADA)
        plant.memory.write(note, plant.memory.read(plant.keys("inbox/")[1]).body, expect=ANYTHING)
    else:
        harm(plant, note, how)
    assert plant.run().damaged == [f"{note}: unreadable"]
    assert {row[0] for row in plant.tables()["sessions"]} == {ADA, BEN, "user3"}
    assert plant.keys("inbox/") == []
    assert plant.keys("damaged/inbox/") == [f"damaged/{note}"]


@pytest.mark.parametrize("how", HARMS)
@pytest.mark.parametrize("kind", ["inbox/prepared/", "telemetry/prepared/", "inbox/batches/"])
def test_what_a_queue_consumer_prepared(plant, world, kind, how):
    first = [C, "77777777-0004-4f00-9a00-00000000dddd"]
    for session in first:
        plant.upload(work(session), session, user="user3")
    made = plant.made()
    for number, note in enumerate(plant.keys("inbox/")):
        batch = Batch(f"01hzzzzzzzzzzzzzzzzzzzzzz{number}", notes=[note])
        if kind == "inbox/batches/":
            key = f"inbox/batches/{batch.id}.json"
            plant.memory.write(key, sealed.seal(key, msgspec.json.encode(batch)), expect=ANYTHING)
        else:
            made._prepare(batch)
    harm(plant, plant.keys(kind)[0], how)
    plant.run()
    plant.run()
    assert {row[1] for row in plant.tables()["sessions"]} == {A, B, *first} or kind == "inbox/batches/"
    if kind == "inbox/batches/":
        for number in range(2):
            plant.made().run_batch(f"01hzzzzzzzzzzzzzzzzzzzzzz{number}")
        plant.run()
        assert {row[1] for row in plant.tables()["sessions"]} == {A, B, *first}
    assert [key for key in plant.keys("inbox/") if "batches" not in key] == []


@pytest.mark.parametrize("how", HARMS)
def test_tombstones(plant, world, how):
    """Neither does a redacted session come back, nor does one person's damage stop the others."""
    tombstones.bury(plant.store, ADA, [A], now=plant.clock.now())
    tombstones.bury(plant.store, BEN, ["77777777-0009-4f00-9a00-00000000eeee"], now=plant.clock.now())
    key = f"tombstones/{ADA}.json"
    if how == "another's":
        plant.memory.write(key, plant.memory.read(f"tombstones/{BEN}.json").body, expect=ANYTHING)
    else:
        harm(plant, key, how)
    if how != "absent":
        assert A in tombstones.of_user(plant.store, ADA).sessions
    assert tombstones.restore(plant.store) == 1
    assert A in tombstones.of_user(plant.store, ADA).sessions
    assert tombstones.restore(plant.store) == 0
    for each in (key, f"tombstones/{ADA}.copy.json"):
        plant.memory.write(each, b"{", expect=ANYTHING)
    plant.upload(work(B, days=(20, 21, 22), plugin="chartkit"), B, user=BEN)
    with pytest.raises(tombstones.TombstonesUnreadable):
        plant.upload(work(A), A, user=ADA)
    plant.memory.write("inbox/01hzzzzzzzzzzzzzzzzzzzzzzz.json", note_of(ADA, A), expect=ANYTHING)
    report = plant.run()
    assert report.damaged == [f"tombstones/{ADA}.json: unreadable"]
    assert {row[1]: row[4] for row in plant.rows("SELECT * FROM telemetry.sessions")}[B] > 4
    assert plant.keys("inbox/") == ["inbox/01hzzzzzzzzzzzzzzzzzzzzzzz.json"]


def note_of(user: str, session: str) -> bytes:
    """As an earlier release wrote it."""
    return b'{"user_id": "%s", "session_id": "%s", "file": "main"}' % (user.encode(), session.encode())


@pytest.mark.parametrize(
    "body", [b"", b"{", b"[]", b'"x"', b'{"until": 3}', b'{"until": "2026-11-23T10:00:00"}', b"\xff\x00"]
)
def test_a_claim_that_says_nothing_is_taken(plant, body):
    plant.memory.write("jobs/telemetry.extract/claim.json", body, expect=ANYTHING)
    plant.upload(work(C), C, user="user3")
    assert plant.run().sessions == 1
