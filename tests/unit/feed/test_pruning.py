"""What pruning takes, and that nothing that it took is missed."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from agnes.feed import pruning, service, zips
from agnes.feed.limits import KEEP, REFRESH
from agnes.kernel.clock import FixedClock
from agnes.outside.object_store.memory import MemoryStore
from agnes.settings import load
from agnes.wiring import Wiring
from tests.unit.feed.test_feed_material import offer

NOW = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)


@pytest.fixture
def clock():
    return FixedClock(NOW)


@pytest.fixture
def store(clock):
    return MemoryStore(clock=clock)


@pytest.fixture
def state(tmp_path, store, clock):
    state = Wiring(load({"AGNES_DATA_DIR": str(tmp_path)}), store=store, clock=clock).state
    state.commit(
        "people",
        lambda tx: tx.db.execute(
            "INSERT INTO people.users (id, email, name, active, created_at, updated_at) VALUES ('u', 'u@x.y', 'U', true, ?, ?)",
            [NOW, NOW],
        ),
    )
    return state


def zip_key(view):
    return f"{zips.ZIPS}{view.commit}.zip"


def later(clock, span):
    clock.sleep(span.total_seconds())
    return clock.now()


def test_old_views_go_and_young_and_current_ones_stay(state, store, clock):
    nobodys = service.view_of(store, [offer(store, "finops")])
    zips.url(store, nobodys, now=clock.now())
    everybodys = service.view_of(store, [])  # what a person without plugins has
    zips.url(store, everybodys, now=clock.now())
    later(clock, KEEP + timedelta(hours=1))
    young = service.view_of(store, [offer(store, "chartkit")])
    assert pruning.prune(state, store, now=clock.now(), dry_run=True)["views_removed"] == 1
    assert store.read(zip_key(nobodys)) is not None
    assert pruning.prune(state, store, now=clock.now()) == {"views_removed": 1, "zips_removed": 1, "kept": 2}
    left = {entry.key for entry in store.list("feed/")}
    assert left == {
        f"{service.VIEWS}{everybodys.commit}.json",
        f"{service.VIEWS}{young.commit}.json",
        zip_key(everybodys),
        zip_key(everybodys).replace(".zip", ".json"),
    }


def test_a_zip_that_was_pruned_is_built_again_by_the_process_that_knew_it(state, store, clock):
    view = service.view_of(store, [offer(store, "finops")])
    zips.url(store, view, now=clock.now())
    later(clock, KEEP + timedelta(hours=1))
    pruning.prune(state, store, now=clock.now())
    assert store.read(zip_key(view)) is None
    zips.url(store, view, now=clock.now())
    assert store.read(zip_key(view)) is not None


def test_a_zip_that_is_handed_out_is_far_from_being_pruned(state, store, clock):
    view = service.view_of(store, [offer(store, "finops")])
    zips.url(store, view, now=clock.now())
    later(clock, REFRESH + timedelta(hours=1))
    zips.url(store, view, now=clock.now())
    later(clock, KEEP - timedelta(hours=2))
    assert pruning.prune(state, store, now=clock.now())["zips_removed"] == 0
    assert store.read(zip_key(view)) is not None


def test_a_blocked_tree_is_not_fetched_by_an_older_commit(store):
    finops, chartkit = offer(store, "finops"), offer(store, "chartkit")
    older, view = service.view_of(store, [finops]), service.view_of(store, [finops, chartkit])
    assert service.repository_of(store, view).is_wanted_allowed(older.commit)
    blocked = frozenset({finops.tree_id})
    assert not service.repository_of(store, view, blocked).is_wanted_allowed(older.commit)
