"""Versions and trees have a bound, and nothing that is needed goes."""

from __future__ import annotations

from datetime import timedelta

import pytest

from agnes.feed import service as feed
from agnes.feed import sweeping
from agnes.feed.limits import GRACE
from agnes.kernel.clock import FixedClock
from agnes.kernel.ports import ABSENT
from agnes.marketplace import claims, retention, review
from agnes.marketplace.retention import Keep
from agnes.outside.object_store.memory import MemoryStore
from agnes.trees import service as trees
from tests.builders.sample_marketplace import PNG, SampleMarketplace
from tests.unit.feed.test_feed_material import offer
from tests.unit.marketplace.conftest import ADMIN, START, Workshop, workshop_over

pytestmark = pytest.mark.slow

KEEP = Keep(versions=2, days=30)
OF = ("acme", "finops")


@pytest.fixture
def workshop(tmp_path) -> Workshop:
    clock = FixedClock(START)
    return workshop_over(tmp_path, MemoryStore(clock=clock), clock)


@pytest.fixture
def market(workshop) -> SampleMarketplace:
    repository = SampleMarketplace(workshop.folder / "m.git")
    workshop.register(repository.url)
    workshop.sync()
    return repository


def release(workshop, market, count: int, start: int = 1) -> None:
    """So many versions of finops, a day apart."""
    for n in range(start, start + count):
        market.release_finops(f"1.{n}.0", advice=f"Advice {n}.")
        workshop.sync(hours=24)


def listed(workshop) -> list[review.VersionLine]:
    with workshop.state.read("marketplace") as db:
        return review.lines(db, *OF)


def prune(workshop, **given) -> dict[str, int]:
    return retention.prune(workshop.state, KEEP, now=workshop.clock.now(), **given)


def sweep(workshop, **given) -> dict:
    given = {"clock": workshop.clock, "now": workshop.clock.now()} | given
    return sweeping.sweep(workshop.state, workshop.tools.store, **given)


def later(workshop, **span) -> None:
    workshop.clock.sleep(timedelta(**span).total_seconds())


def test_what_is_old_and_unused_goes_and_the_rest_stays(workshop, market):
    release(workshop, market, 5)
    first, *_ = reversed(listed(workshop))
    assert prune(workshop)["versions_removed"] == 0  # all are young
    later(workshop, days=31)
    before = listed(workshop)
    assert prune(workshop, dry_run=True)["versions_removed"] == 4
    assert listed(workshop) == before
    assert prune(workshop)["versions_removed"] == 4
    assert listed(workshop) == before[:2]
    assert prune(workshop) == {"versions_removed": 0, "plugins_emptied": 0, "syncs_removed": 0}
    # What comes again after it was forgotten is a new version.
    assert first.id not in {line.id for line in listed(workshop)}


def test_what_an_admin_decided_about_stays(workshop, market):
    release(workshop, market, 6)
    pinned, rolled, rejected = (line for line in list(reversed(listed(workshop)))[:3])
    now = workshop.clock.now()
    review.decide(workshop.state, ADMIN, OF, rejected.id, review.Decision(approved=False, reason="no"), now=now)
    review.roll_back(workshop.state, ADMIN, OF, pinned.id, now=now)
    wish = review.Rollout(version=rolled.id, group_id="everyone")
    review.roll_out(workshop.state, ADMIN, OF, wish, now=now)
    later(workshop, days=365)
    prune(workshop)
    assert {line.id for line in listed(workshop)} >= {pinned.id, rolled.id, rejected.id}
    assert len(listed(workshop)) == 5
    assert workshop.plugins()["finops"].tree_id == pinned.tree_id


def test_a_plugin_that_is_long_gone_gives_up_its_content_and_keeps_its_flags(workshop, market):
    market.add_page_files("finops")
    workshop.sync()
    manifest = market.manifest()
    entry = manifest["plugins"].pop(0)
    market.write_manifest(manifest)
    workshop.sync()
    [created] = workshop.rows("SELECT created_at FROM marketplace.plugins WHERE name = 'finops'")
    later(workshop, days=31)
    assert prune(workshop)["plugins_emptied"] == 1
    assert prune(workshop)["plugins_emptied"] == 0
    market.write_manifest({**manifest, "plugins": [entry, *manifest["plugins"]]})
    assert workshop.sync().added == ["finops"]
    assert workshop.plugins()["finops"].is_served
    assert [(workshop.plugins()["finops"].created_at,)] == [created]


def test_trees_go_a_week_after_nothing_named_them(workshop, market):
    old = workshop.plugins()["finops"].tree_id
    release(workshop, market, 5)
    later(workshop, days=31)
    kept = {p.tree_id for p in workshop.plugins().values()}
    prune(workshop)
    assert sweep(workshop)["trees_removed"] == 0
    later(workshop, days=8)
    assert sweep(workshop, dry_run=True)["trees_removed"] == 4
    assert trees.read_pack(workshop.tools.store, old)
    assert sweep(workshop)["trees_removed"] == 4
    left = {entry.key.removeprefix("trees/").partition(".")[0] for entry in workshop.tools.store.list("trees/")}
    assert kept < left
    assert old not in left
    assert sweep(workshop) == {
        "trees_removed": 0,
        "assets_removed": 0,
        "condemned": 0,
        "verified": len(left) + len(list(workshop.tools.store.list("assets/"))),
        "damaged": 0,
    }


def test_what_a_kept_view_holds_stays(workshop):
    store = workshop.tools.store
    held, loose = offer(store, "held"), offer(store, "loose")
    feed.view_of(store, [held])
    for _ in range(3):
        later(workshop, days=10)
        sweep(workshop)
    assert trees.get(store, held.tree_id)
    assert [e.key for e in store.list(f"trees/{loose.tree_id}")] == []


def test_what_is_named_again_is_condemned_no_more(workshop, market):
    """A sync may bring content back at any moment of a sweep."""
    old = workshop.plugins()["finops"].tree_id
    release(workshop, market, 4)
    later(workshop, days=31)
    prune(workshop)
    sweep(workshop)
    later(workshop, days=8)
    market.change("back", dict(SampleMarketplace(workshop.folder / "x.git").files))
    workshop.sync()
    assert workshop.plugins()["finops"].tree_id == old
    sweep(workshop)
    assert trees.read_pack(workshop.tools.store, old)


def test_a_running_sync_postpones_it(workshop, market):
    release(workshop, market, 3)
    later(workshop, days=31)
    prune(workshop)
    sweep(workshop)
    later(workshop, days=8)
    with claims.claimed(workshop.tools.store, "acme", clock=workshop.clock, seconds=60):
        report = sweep(workshop)
    assert report["trees_removed"] == 0
    assert report["postponed"].startswith("a sync of acme is running (held by ")
    assert sweep(workshop)["trees_removed"] == 2


def test_killed_between_two_removals_it_goes_on(workshop, market):
    """The index of a tree goes first; what is left of it is found and goes in the next run."""
    store = workshop.tools.store
    store.write("trees/" + "a" * 64 + ".pack", b"left", expect=ABSENT)
    for _ in range(2):
        later(workshop, seconds=GRACE.total_seconds() + 60)
        sweep(workshop)
    later(workshop, days=1)
    assert [e.key for e in store.list("trees/" + "a" * 64)] == []


def test_assets_go_when_no_page_shows_them(workshop, market):
    market.add_page_files("finops")
    workshop.sync()
    market.write_page("finops", tagline="Plain")
    workshop.sync()
    assert list(workshop.tools.store.list("assets/"))
    for _ in range(3):
        later(workshop, days=8)
        sweep(workshop)
    assert list(workshop.tools.store.list("assets/")) == []
    market.add_page_files("finops")
    workshop.sync()
    for _ in range(3):
        later(workshop, days=8)
        sweep(workshop)
    assert PNG in {workshop.tools.store.read(e.key).body for e in workshop.tools.store.list("assets/")}


def test_the_history_of_syncs_has_a_bound(workshop, market):
    for _ in range(5):
        workshop.sync()
    later(workshop, days=401)
    workshop.sync()
    keep = Keep(versions=2, days=30, syncs=3)
    assert retention.prune(workshop.state, keep, now=workshop.clock.now())["syncs_removed"] == 4
    assert workshop.rows("SELECT count(*) FROM marketplace.syncs") == [(3,)]
