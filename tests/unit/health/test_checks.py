"""What health says of a real installation whose state or store is not as it should be."""

from __future__ import annotations

import json

import pytest

from agnes.health import checks, installation
from agnes.kernel.clock import FixedClock
from agnes.kernel.ids import new_ulid
from agnes.kernel.ports import ANYTHING, Expect, TryAgain, Version
from agnes.kernel.state import Change
from agnes.outside.object_store.memory import MemoryStore
from agnes.state import StateFiles, packaged
from infra import compose
from tests.unit.health.test_installation import START, Unreachable


class Full(MemoryStore):
    """A store that can be full."""

    is_full = False

    def write(self, key: str, body: bytes, *, expect: Expect, content_type: str = "") -> Version:
        if self.is_full:
            raise TryAgain(key, "No space left on device")
        return super().write(key, body, expect=expect, content_type=content_type)


class World:
    def __init__(self, folder, store=None):
        self.clock = FixedClock(START)
        self.store = store or MemoryStore(clock=self.clock)
        self.state = StateFiles(self.store, clock=self.clock, cache_dir=folder, max_stale_seconds=0)

    def tried(self) -> checks.Checks:
        return checks.tried(self.state, self.store, packaged(), self.clock)

    def health(self) -> installation.Health:
        found = self.tried()
        return installation.health(self.store, packaged(), failing=found.failing, not_ready=found.not_ready)


@pytest.fixture
def world(tmp_path):
    made = World(tmp_path)
    made.state.migrate()
    yield made
    made.state.close()


def test_a_sound_installation(world):
    assert (world.health().status, world.health().db_schema, world.health().failing) == ("ok", "ok", [])
    assert world.tried().not_ready == []


def test_the_answer_is_kept_for_ten_seconds(world):
    world.tried()
    world.store.write("state/people/head.json", b"{", expect=ANYTHING)
    assert world.tried().failing == []
    world.clock.sleep(11)
    assert world.tried().not_ready == ["state.people: state_damaged"]


@pytest.mark.parametrize("how", ["absent", "empty", "truncated", "no head", "another's"])
@pytest.mark.parametrize("part", ["head.json", ".duckdb"])
@pytest.mark.parametrize("file", ["people", "telemetry"])
def test_damage_is_told_though_this_process_has_a_copy(world, file, part, how):
    world.state.commit(file, lambda tx: tx.record(Change("test.change", "test:1", {})))
    (key,) = [e.key for e in world.store.list(f"state/{file}/") if e.key.endswith(part)][-1:]
    body = world.store.read(key).body
    other = world.store.read(f"state/stack/{part}").body if part == "head.json" else b"x"
    if how == "absent":
        world.store.remove([key])
    else:
        changed = {"empty": b"", "truncated": body[:99], "no head": b"[]", "another's": other}[how]
        world.store.write(key, changed, expect=ANYTHING)
    found = world.health()
    assert f"state.{file}: state_damaged" in found.failing
    assert found.status in ("unhealthy", "degraded")
    assert bool(world.tried().not_ready) == (file == "people")
    told = installation.detailed(
        world.store, packaged(), world.clock, probed=world.tried().store, failing=world.tried().files
    )
    assert (told.status, told.state[file].status) == ("unhealthy", "damaged")


def test_a_store_that_is_away(tmp_path):
    world = World(tmp_path, Unreachable())
    assert (world.health().status, world.health().db_schema) == ("unhealthy", "unreachable")
    assert "state.people: unavailable" in world.tried().not_ready
    assert "vault" not in repr((world.health(), world.tried()))


def test_a_full_disk_is_degraded_and_still_ready(tmp_path):
    world = World(tmp_path, Full())
    world.state.migrate()
    world.store.is_full = True
    assert (world.health().status, world.health().failing) == ("degraded", ["store: disk_full"])
    assert world.tried().not_ready == []


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"null", b"{}", b'{"at": 3}'])
def test_a_damaged_heartbeat_is_no_error(world, body):
    world.store.write("jobs/telemetry.extract/last.json", body, expect=ANYTHING)
    assert installation.runs(world.store, START).jobs == {}


def judged(world) -> list[str]:
    world.clock.sleep(11)
    return checks.tried(
        world.state, world.store, packaged(), world.clock, every_seconds=lambda setting: INTERVALS[setting]
    ).failing


INTERVALS = dict.fromkeys(
    (
        "SCHEDULER_SESSION_COLLECTOR_INTERVAL",
        "SCHEDULER_USAGE_PROCESSOR_INTERVAL",
        "SCHEDULER_USAGE_PRUNE_INTERVAL",
        "SCHEDULER_VERIFICATION_DETECTOR_INTERVAL",
        "SCHEDULER_CORPORATE_MEMORY_INTERVAL",
    ),
    600,
)


@pytest.mark.parametrize("prefix", ["inbox/", "inbox/batches/"])
def test_what_waits_too_long_degrades_and_keeps_nobody_out(world, prefix):
    compose.write_openapi(compose.compose())
    assert judged(world) == []
    world.store.write(f"{prefix}{new_ulid(world.clock.now())}.json", b"{}", expect=ANYTHING)
    world.store.write("inbox/prepared/x.json", b"{}", expect=ANYTHING)
    world.clock.sleep(3500)
    assert judged(world) == []
    world.clock.sleep(300)
    assert judged(world) == ["inbox: waiting_too_long"]
    assert world.tried().not_ready == []
    assert world.health().status == "degraded"


def test_a_schedule_whose_last_success_is_long_ago_is_late(world):
    compose.write_openapi(compose.compose())
    beat = {"at": world.clock.now().isoformat(), "seconds": 1, "ok": True, "error": None}
    for job in ("telemetry.extract", "feed.prune", "older.job"):
        key = f"jobs/{job}/last.json"
        world.store.write(key, json.dumps(beat).encode(), expect=ANYTHING)
    assert judged(world) == []
    world.clock.sleep(3000)
    assert judged(world) == ["schedule.telemetry.extract: late"]
    failed = beat | {"at": world.clock.now().isoformat(), "ok": False, "last_success_at": beat["at"]}
    world.store.write("jobs/telemetry.extract/last.json", json.dumps(failed).encode(), expect=ANYTHING)
    assert judged(world) == ["schedule.telemetry.extract: late"]
    world.clock.sleep(4 * 86400)
    assert judged(world) == ["schedule.feed.prune: late", "schedule.telemetry.extract: late"]
