"""What health says of a real installation whose state or store is not as it should be."""

from __future__ import annotations

import pytest

from agnes.kernel.clock import FixedClock
from agnes.kernel.ports import ANYTHING, Expect, TryAgain, Version
from agnes.kernel.state import Change
from agnes.ops import checks, health
from agnes.outside.object_store.memory import MemoryStore
from agnes.state import StateFiles, packaged
from tests.unit.ops.test_health import START, Unreachable


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

    def health(self) -> health.Health:
        found = self.tried()
        return health.health(self.store, packaged(), failing=found.failing, not_ready=found.not_ready)


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
    told = health.detailed(
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
    assert health.runs(world.store, START).jobs == {}
