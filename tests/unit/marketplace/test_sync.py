"""A marketplace through its life: first sync, updates, removals, returns, failures, races."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest

from agnes.kernel.clock import FixedClock
from agnes.kernel.errors import ConflictError
from agnes.kernel.git import GitFailed, GitMissing, GitUnreachable
from agnes.kernel.ports import ANYTHING, Secret
from agnes.marketplace import claims, nightly, service, sync, sync_runs
from agnes.marketplace.claims import SyncRunning
from agnes.marketplace.manifest import CatalogInvalid
from agnes.marketplace.model import MarketplaceChange
from agnes.marketplace.sync import SyncOvertaken
from agnes.outside.git import DulwichGit
from agnes.outside.object_store.memory import MemoryStore
from agnes.trees import service as trees
from agnes_local.demo_repository import EXECUTABLE, SYMLINK, File
from tests.builders.git_http_server import GitHttpServer
from tests.builders.raw_git import RawRepository
from tests.builders.sample_marketplace import EXTERNAL_SOURCES, MANIFEST, PLUGINS, SampleMarketplace
from tests.unit.marketplace.conftest import ADMIN, ALLOW, START, workshop_over

pytestmark = pytest.mark.slow


@pytest.fixture
def market(workshop) -> SampleMarketplace:
    repository = SampleMarketplace(workshop.folder / "m.git")
    workshop.register(repository.url)
    return repository


def test_the_first_sync_finds_every_plugin(workshop, market):
    report = workshop.sync()
    assert (report.action, report.commit, report.changed) == ("clone", market.head, True)
    assert report.plugin_count == len(PLUGINS)
    assert sorted(report.added) == sorted(PLUGINS)
    finops = workshop.plugins()["finops"]
    assert finops.upstream_version == "1.4.0"
    assert finops.version.startswith("1.4.0+")
    assert finops.author_name == "Mira Okafor"
    assert finops.keywords == ["finance", "forecast", "close"]
    assert finops.raw == market.manifest()["plugins"][0]
    tree = trees.get(workshop.tools.store, finops.tree_id)
    assert (finops.git_oid, finops.size_bytes, finops.file_count) == (tree.git_oid, tree.size_bytes, len(tree.files))
    modes = {entry.path: entry.executable for entry in tree.files}
    assert modes["hooks/open-period.sh"] is True
    assert modes["skills/forecast/SKILL.md"] is False
    shown = workshop.marketplace()
    assert (shown.last_commit_sha, shown.last_error, shown.plugin_count) == (market.head, None, 3)
    assert shown.last_synced_at == START + timedelta(hours=1)


def test_an_unchanged_commit_says_so_and_reads_nothing(workshop, market):
    workshop.sync()
    before = workshop.plugins()
    report = workshop.sync()
    assert (report.action, report.changed, report.plugin_count) == ("update", False, 3)
    assert workshop.plugins() == before
    assert workshop.rows("SELECT outcome FROM marketplace.syncs ORDER BY started_at") == [("changed",), ("unchanged",)]


def test_content_that_its_row_names_is_not_stored_again(tmp_path):
    clock = FixedClock(START)
    workshop = workshop_over(tmp_path, MemoryStore(clock=clock), clock)
    market = SampleMarketplace(tmp_path / "m.git")
    workshop.register(market.url)
    workshop.sync()
    trees_of = {name: plugin.tree_id for name, plugin in workshop.plugins().items()}
    stored = {entry.key: entry.modified_at for entry in workshop.tools.store.list(trees.PREFIX)}
    catalog = market.manifest()
    for entry in catalog["plugins"]:
        entry["category"] = "Anything else"
    market.files[MANIFEST] = File(json.dumps(catalog).encode())
    market.release_finops("1.5.0")
    assert sorted(workshop.sync().updated) == sorted(PLUGINS)
    after = {entry.key: entry.modified_at for entry in workshop.tools.store.list(trees.PREFIX)}
    assert {key: after[key] for key in stored} == stored
    [new] = {key.removeprefix(trees.PREFIX)[:64] for key in after.keys() - stored.keys()}
    assert {name: plugin.tree_id for name, plugin in workshop.plugins().items()} == trees_of | {"finops": new}


def test_another_way_of_reading_reads_an_unchanged_commit_again(workshop, market):
    workshop.sync()
    workshop.state.commit(
        "marketplace", lambda tx: tx.db.execute("UPDATE marketplace.registries SET reading_format = 0")
    )
    report = workshop.sync()
    assert (report.changed, report.updated) == (True, [])


def test_an_update_touches_one_plugin(workshop, market):
    workshop.sync()
    before = workshop.plugins()
    market.release_finops("1.5.0")
    report = workshop.sync()
    assert (report.added, report.updated, report.removed) == ([], ["finops"], [])
    after = workshop.plugins()
    assert after["finops"].version.startswith("1.5.0+")
    assert after["finops"].created_at == before["finops"].created_at
    assert after["finops"].released_at == workshop.clock.now()
    assert {n: p for n, p in after.items() if n != "finops"} == {n: p for n, p in before.items() if n != "finops"}


def test_new_words_in_the_catalog_do_not_make_a_release(workshop, market):
    workshop.sync()
    before = workshop.plugins()["finops"]
    manifest = market.manifest()
    manifest["plugins"][0]["category"] = "Finance"
    market.write_manifest(manifest)
    assert workshop.sync().updated == ["finops"]
    after = workshop.plugins()["finops"]
    assert after.category == "Finance"
    assert (after.tree_id, after.version, after.released_at) == (before.tree_id, before.version, before.released_at)


def test_the_executable_bit_alone_is_a_release(workshop, market):
    workshop.sync()
    before = workshop.plugins()["finops"].version
    script = market.files["plugins/finops/skills/forecast/scripts/forecast.py"]
    market.change("chmod", {"plugins/finops/skills/forecast/scripts/forecast.py": File(script.body, 0o100644 ^ 0o111)})
    market.change("chmod", {"plugins/finops/docs/run.sh": File(b"#!/bin/sh\n", EXECUTABLE)})
    workshop.sync()
    assert workshop.plugins()["finops"].version != before


def test_what_the_client_refuses_keeps_its_last_good_version(workshop, market):
    workshop.sync()
    before = workshop.plugins()["finops"]
    path = "plugins/finops/.claude-plugin/plugin.json"
    sound = market.files[path]
    market.change("trap", {path: "{name: x}"})
    report = workshop.sync()
    said = ".claude-plugin/plugin.json: not JSON: Expecting property name enclosed in double quotes at line 1, column 2"
    assert [(r.plugin, r.reason) for r in report.refused] == [("finops", said)]
    after = workshop.plugins()["finops"]
    assert (after.tree_id, after.version, after.problem) == (before.tree_id, before.version, said)
    assert after.is_served
    market.change("mend", {path: sound})
    assert workshop.sync().updated == ["finops"]
    assert workshop.plugins()["finops"].problem is None


def test_a_bad_entry_keeps_its_last_good_version(workshop, market):
    workshop.sync()
    manifest = market.manifest()
    manifest["plugins"][0]["version"] = 15
    market.write_manifest(manifest)
    workshop.sync()
    finops = workshop.plugins()["finops"]
    assert finops.is_served
    assert finops.problem == f"{MANIFEST}: version: must be text"
    assert finops.raw["version"] == "1.4.0"


def test_a_hook_of_a_newer_event_is_served_apart_and_told(workshop, market):
    """The pinned client would load nothing of the plugin, or no hook of the file."""
    workshop.sync()
    market.change("newer", {"plugins/finops/hooks/hooks.json": json.dumps({"hooks": {"Stop": [], "TaskDreamed": []}})})
    report = workshop.sync()
    assert report.updated == ["finops"]
    said = "hooks/agnes-newer-events.json: hooks: TaskDreamed is an event that Claude Code 2.1.332 does not know"
    assert report.warnings == [f"finops: {said}"]
    assert workshop.plugins()["finops"].problem is None


def test_a_plugin_that_returns_does_not_do_so_silently(workshop, market):
    """Its grants and subscriptions count again."""
    workshop.sync()
    whole = market.manifest()
    market.write_manifest({**whole, "plugins": [p for p in whole["plugins"] if p["name"] != "finops"]})
    assert (workshop.sync().removed, workshop.plugins().keys()) == (["finops"], {"chartkit", "sql-style"})
    market.write_manifest(whole)
    report = workshop.sync()
    said = "finops: it is back; who was granted it, or had it in the stack, has it again"
    assert (report.added, report.warnings) == (["finops"], [said])


def test_a_removed_plugin_returns_with_its_flags(workshop, market):
    workshop.sync()
    service.set_system(workshop.state, ADMIN, "acme", "finops", is_system=True)
    workshop.state.commit(
        "marketplace",
        lambda tx: tx.db.execute("UPDATE marketplace.plugins SET disabled = true WHERE name = 'chartkit'"),
    )
    before = workshop.plugins()
    manifest = market.manifest()
    whole = list(manifest["plugins"])
    manifest["plugins"] = [p for p in whole if p["name"] == "sql-style"]
    market.write_manifest(manifest)
    report = workshop.sync()
    assert (sorted(report.removed), report.plugin_count) == (["chartkit", "finops"], 1)
    assert set(workshop.plugins()) == {"sql-style"}
    manifest["plugins"] = whole
    market.write_manifest(manifest)
    assert sorted(workshop.sync().added) == ["chartkit", "finops"]
    after = workshop.plugins()
    assert after["finops"].is_system
    assert after["chartkit"].disabled
    assert {n: p.created_at for n, p in after.items()} == {n: p.created_at for n, p in before.items()}
    assert after["finops"].version == before["finops"].version


def test_a_plugin_that_moves_outside_is_listed_and_not_served(workshop, market):
    workshop.sync()
    manifest = market.manifest()
    manifest["plugins"][0]["source"] = EXTERNAL_SOURCES["github"]
    market.write_manifest(manifest)
    report = workshop.sync()
    assert (report.updated, report.refused) == (["finops"], [])
    finops = workshop.plugins()["finops"]
    assert (finops.source_type, finops.is_served, finops.version) == ("github", False, None)
    assert finops.problem == "external sources are not allowed in this marketplace"
    assert workshop.rows("SELECT count(*) FROM marketplace.items WHERE plugin_name = 'finops'") == [(0,)]


def test_a_failed_fetch_keeps_everything_and_is_written_down(workshop, market):
    workshop.sync()
    before = workshop.plugins()
    market.folder.rename(workshop.folder / "elsewhere.git")
    with pytest.raises(GitMissing):
        workshop.sync()
    assert workshop.plugins() == before
    shown = workshop.marketplace()
    assert shown.last_error == "there is no git repository at this path"
    assert shown.last_synced_at == START + timedelta(hours=1)
    [(outcome, error)] = workshop.rows("SELECT outcome, error FROM marketplace.syncs WHERE outcome = 'failed'")
    assert (outcome, error) == ("failed", "there is no git repository at this path")
    (workshop.folder / "elsewhere.git").rename(market.folder)
    workshop.sync()
    assert workshop.marketplace().last_error is None


def test_a_repository_without_a_catalog(workshop, market):
    market.change("oops", {MANIFEST: None})
    with pytest.raises(CatalogInvalid, match="the repository has no such file"):
        workshop.sync()
    market.change("link", {MANIFEST: File(b"../catalog.json", SYMLINK)})
    with pytest.raises(CatalogInvalid, match="not a plain file"):
        workshop.sync()


def test_a_branch_is_followed_and_a_missing_one_named(workshop):
    market = SampleMarketplace(workshop.folder / "m.git")
    market.write_manifest({"plugins": [market.manifest()["plugins"][2]]})
    market.commit("only one", branch="stable")
    market.release = market.commit("main goes on")
    workshop.register(market.url, branch="stable")
    assert workshop.sync().added == ["sql-style"]
    change(workshop, branch="gone")
    with pytest.raises(GitMissing, match="the repository has no branch gone"):
        workshop.sync()


def change(workshop, **given):
    wanted = MarketplaceChange(**given)
    return service.update(
        workshop.state, ADMIN, "acme", wanted, secrets=workshop.secrets, clock=workshop.clock, allow=ALLOW
    )


@pytest.mark.git
def test_the_token_is_used_and_never_written(workshop, caplog):
    market = SampleMarketplace(workshop.folder / "m.git")
    with GitHttpServer(workshop.folder, password="ghp_secret") as server:
        workshop.register(server.url("m.git"), token="ghp_secret")
        workshop.sync()
        assert workshop.marketplace().has_token
        change(workshop, token="ghp_other")
        market.release_finops("1.5.0")
        with pytest.raises(GitFailed, match="refuses our token"):
            workshop.sync()
        [(name,)] = workshop.rows("SELECT token_name FROM marketplace.registries")
        assert workshop.secrets.get(name) == Secret("ghp_other")
    everything = (
        b"".join(workshop.tools.store.read(entry.key).body for entry in workshop.tools.store.list(""))
        + caplog.text.encode()
    )
    assert b"ghp_" not in everything


def test_a_reader_sees_the_old_plugins_or_the_new_ones(workshop, market):
    """A sync is one commit: the generation grows by one however much changed."""
    workshop.sync()
    generation = json.loads(workshop.tools.store.read("state/marketplace/head.json").body)["generation"]
    market.release_finops("2.0.0")
    market.add_plugin("extra")
    workshop.sync()
    after = json.loads(workshop.tools.store.read("state/marketplace/head.json").body)["generation"]
    assert after == generation + 1


# --- races


class Interrupting:
    """Git that does something else right after a fetch."""

    def __init__(self, inner: DulwichGit, then) -> None:
        self._inner = inner
        self._then = then

    def fetch(self, *args, **kwargs):
        from contextlib import contextmanager

        @contextmanager
        def both():
            with self._inner.fetch(*args, **kwargs) as snapshot:
                self._then()
                yield snapshot

        return both()


def interrupted(workshop, then) -> sync.Syncing:
    tools = workshop.tools
    return sync.Syncing(tools.state, tools.store, Interrupting(tools.git, then), tools.secrets, tools.clock, tools.web)


def test_a_second_sync_of_the_same_marketplace_waits_outside(workshop, market):
    def again():
        with pytest.raises(SyncRunning) as caught:
            workshop.sync(hours=0)
        assert caught.value.code == "sync_running"

    assert sync.sync(interrupted(workshop, again), "acme").changed
    assert not workshop.sync().changed


def test_a_claim_of_a_dead_worker_ends_by_itself(workshop, market):
    with claims.claimed(workshop.tools.store, "acme", clock=workshop.clock, seconds=300):
        dead = workshop.tools.store.read(claims.key("acme")).body
    workshop.tools.store.write(claims.key("acme"), dead, expect=ANYTHING)
    with pytest.raises(SyncRunning):
        workshop.sync(hours=0)
    assert workshop.sync(hours=0.26).changed


@pytest.mark.parametrize("what", ["url", "branch", "deleted and registered again", "synced by another"])
def test_a_sync_that_was_overtaken_changes_nothing(workshop, market, what):
    other = SampleMarketplace(workshop.folder / "other.git")
    other.release_finops("9.9.9")

    def meanwhile():
        if what == "url":
            change(workshop, url=other.url)
        elif what == "branch":
            change(workshop, branch="stable")
        elif what == "synced by another":
            # As if its claim had run out while it was paused between two looks at the clock.
            workshop.tools.store.remove([claims.key("acme")])
            workshop.sync(hours=0)
        else:
            service.delete(workshop.state, ADMIN, "acme", purge=True, secrets=workshop.secrets)
            workshop.clock.sleep(60)
            workshop.register(other.url)

    with pytest.raises(SyncOvertaken):
        sync.sync(interrupted(workshop, meanwhile), "acme")
    if what != "synced by another":
        assert workshop.plugins() == {}


def test_a_marketplace_deleted_while_it_syncs_stays_deleted(workshop, market):
    def meanwhile():
        service.delete(workshop.state, ADMIN, "acme", purge=False, secrets=workshop.secrets)

    with pytest.raises(service.MarketplaceNotFound):
        sync.sync(interrupted(workshop, meanwhile), "acme")
    assert workshop.rows("SELECT count(*) FROM marketplace.plugins") == [(0,)]


def test_time_runs_out_between_two_plugins_and_the_next_sync_goes_on(workshop, market):
    with pytest.raises(GitUnreachable, match="reading the plugins took longer than 5 seconds"):
        sync.sync(interrupted(workshop, lambda: workshop.clock.sleep(6)), "acme", seconds=5)
    assert workshop.sync().plugin_count == 3


# --- all of them


def test_sync_all_reports_each_and_queues_what_is_late(workshop, market):
    broken = RawRepository(workshop.folder / "empty.git")
    workshop.register(broken.url, slug="broken")
    report = sync_runs.sync_all(workshop.tools, workshop)
    assert [r.id for r in report.synced] == ["acme"]
    assert [(e.id, e.error) for e in report.errors] == [("broken", "the repository is empty")]
    workshop.register(SampleMarketplace(workshop.folder / "slow.git").url, slug="slow")
    slow = interrupted(workshop, lambda: workshop.clock.sleep(26))
    report = sync_runs.sync_all(slow, workshop)
    assert [e.id for e in report.errors] == ["broken", "slow"]
    assert (report.synced, report.queued) == ([], ["acme"])
    assert [(m.queue, m.body) for m in workshop.sent] == [("marketplace-sync", {"id": "acme"})]


def test_a_queued_sync_repeats_only_what_may_help(workshop, market):
    workshop.register("https://git.nowhere.invalid/m.git", slug="down")
    assert sync_runs.sync_queued(workshop.tools, "acme").changed
    assert sync_runs.sync_queued(workshop.tools, "gone") is None
    with pytest.raises(GitUnreachable):
        sync_runs.sync_queued(workshop.tools, "down")
    market.write_manifest(b"no json")
    assert sync_runs.sync_queued(workshop.tools, "acme") is None


def test_every_marketplace_is_its_own_message(workshop, market):
    workshop.register("https://git.example/b.git", slug="b")
    assert nightly.queue_all(workshop.state, workshop, dry_run=True) == ["acme", "b"]
    assert workshop.sent == []
    nightly.queue_all(workshop.state, workshop)
    assert [m.body["id"] for m in workshop.sent] == ["acme", "b"]


def test_who_synced_what_is_audited(workshop, market):
    workshop.sync()
    market.write_manifest(b"")
    with pytest.raises(CatalogInvalid):
        workshop.sync()
    rows = workshop.rows('SELECT action, resource FROM marketplace.audit ORDER BY "at", id')
    assert rows == [
        ("marketplace.create", "marketplace:acme"),
        ("marketplace.sync", "marketplace:acme"),
        ("marketplace.sync_failed", "marketplace:acme"),
    ]


def test_a_conflict_is_what_it_is():
    assert issubclass(SyncRunning, ConflictError)
    assert issubclass(SyncOvertaken, ConflictError)
