"""Pins to a tag or a commit, what a moved tag says, and the readable sync history."""

from __future__ import annotations

import pytest
from dulwich.objects import Commit, Tag
from dulwich.repo import Repo

from agnes.kernel.errors import BadRequestError, ConflictError
from agnes.kernel.git import GitFailed, GitMissing
from agnes.marketplace import rules, service
from agnes.marketplace.model import MarketplaceChange
from tests.builders.sample_marketplace import SampleMarketplace
from tests.unit.marketplace.conftest import ADMIN, ALLOW

pytestmark = pytest.mark.slow


@pytest.fixture
def market(workshop) -> SampleMarketplace:
    return SampleMarketplace(workshop.folder / "m.git")


def tag(market: SampleMarketplace, name: str, sha: str, *, annotated: bool = False) -> None:
    with Repo(str(market.folder)) as repo:
        target = sha.encode()
        if annotated:
            made = Tag()
            made.name, made.message, made.tagger = name.encode(), b"release\n", b"Mira <mira@northwind.example>"
            made.tag_time, made.tag_timezone, made.object = 0, 0, (Commit, target)
            repo.object_store.add_object(made)
            target = made.id
        repo.refs[f"refs/tags/{name}".encode()] = target


def change(workshop, **given):
    return service.update(
        workshop.state, ADMIN, "acme", MarketplaceChange(**given), secrets=workshop.secrets, clock=workshop.clock, allow=ALLOW
    )  # fmt: skip


@pytest.mark.parametrize("annotated", [False, True])
def test_a_tag_stays_where_it_is(workshop, market, annotated):
    first = market.head
    tag(market, "v1", first, annotated=annotated)
    market.release_finops("9.9.9")
    assert workshop.register(market.url, ref="v1").ref == "v1"
    assert workshop.sync().commit == first
    assert workshop.plugins()["finops"].upstream_version == "1.4.0"
    again = workshop.sync()
    assert (again.changed, again.warnings) == (False, [])


def test_a_full_commit_id_is_a_pin(workshop, market):
    first = market.head
    market.release_finops("9.9.9")
    workshop.register(market.url, ref=first.upper())
    assert workshop.sync().commit == first
    assert workshop.marketplace().ref == first


@pytest.mark.parametrize("annotated", [False, True])
def test_a_moved_tag_is_said(workshop, market, annotated):
    first = market.head
    tag(market, "v1", first, annotated=annotated)
    workshop.register(market.url, ref="v1")
    workshop.sync()
    second = market.release_finops("1.5.0")
    tag(market, "v1", second, annotated=annotated)
    report = workshop.sync()
    assert report.warnings == [f"the tag v1 was moved: it named the commit {first[:12]} and names {second[:12]} now"]
    assert report.updated == ["finops"]


def test_another_pin_is_no_moved_tag(workshop, market):
    tag(market, "v1", market.head)
    workshop.register(market.url, ref="v1")
    workshop.sync()
    tag(market, "v2", market.release_finops("1.5.0"))
    change(workshop, ref="v2")
    assert workshop.sync().warnings == []


@pytest.mark.parametrize("pin", ["v404", "0" * 40])
def test_an_unresolvable_pin_fails_the_sync_and_the_old_content_serves(workshop, market, pin):
    workshop.register(market.url)
    workshop.sync()
    before = workshop.plugins()
    change(workshop, ref=pin)
    with pytest.raises((GitMissing, GitFailed)) as failed:
        workshop.sync()
    assert workshop.marketplace().last_error == failed.value.message
    assert workshop.plugins() == before
    change(workshop, ref="")
    assert workshop.sync().changed is False
    assert workshop.marketplace().last_error is None


def test_branch_and_ref_exclude_each_other(workshop, market):
    with pytest.raises(BadRequestError) as refused:
        workshop.register(market.url, branch="main", ref="v1")
    assert refused.value.code == "branch_and_ref"
    workshop.register(market.url, branch="main")
    with pytest.raises(BadRequestError) as refused:
        change(workshop, ref="v1")
    assert refused.value.code == "branch_and_ref"
    after = change(workshop, ref="v1", branch="")
    assert (after.branch, after.ref) == (None, "v1")


@pytest.mark.parametrize("bad", ["refs/tags/v1", "-v", "a..b", "a b", "v1^{}", "x" * 300, "a\nb", "--upload-pack=x"])
def test_what_is_no_pin_is_refused(bad):
    with pytest.raises(BadRequestError) as refused:
        rules.ref(bad)
    assert refused.value.code == "invalid_ref"


def test_the_history_reads_like_a_diff(workshop, market):
    workshop.register(market.url)
    workshop.sync()
    market.release_finops("1.5.0")
    market.change("more", {"plugins/finops/docs/new.md": "new"})
    manifest = market.manifest()
    manifest["plugins"] = [p for p in manifest["plugins"] if p["name"] != "chartkit"]
    market.write_manifest(manifest)
    workshop.sync()
    with workshop.state.read("marketplace") as db:
        newest, first = service.syncs(db, "acme")
        assert service.syncs(db, "acme", before=newest.id) == [first]
        assert service.syncs(db, "acme", limit=1) == [newest]
    assert (newest.outcome, newest.ref, newest.commit_sha) == ("changed", "HEAD", market.head)
    updated, removed = newest.changes
    assert updated["files"]["added"] == ["docs/new.md"]
    assert updated["files"]["changed"] == [".claude-plugin/plugin.json", "skills/forecast/SKILL.md"]
    assert updated["from_version"].startswith("1.4.0+")
    assert updated["text"].startswith("finops updated: 1.4.0+")
    assert "1 file added (docs/new.md); 2 files changed" in updated["text"]
    assert (removed["plugin"], removed["change"]) == ("chartkit", "removed")
    assert [c["change"] for c in first.changes] == ["added"] * 3


def test_a_failed_sync_is_in_the_history(workshop, market):
    workshop.register(market.url, branch="gone")
    with pytest.raises(GitMissing):
        workshop.sync()
    with workshop.state.read("marketplace") as db:
        [line] = service.syncs(db, "acme")
    assert (line.outcome, line.ref, line.error) == ("failed", "refs/heads/gone", "the repository has no branch gone")


def test_disabling_survives_a_sync_and_ends_being_a_system_plugin(workshop, market):
    workshop.register(market.url)
    workshop.sync()
    service.set_system(workshop.state, ADMIN, "acme", "finops", is_system=True)
    flag = service.set_disabled(workshop.state, ADMIN, "acme", "finops", disabled=True)
    assert (flag.disabled, flag.is_system) == (True, False)
    market.release_finops("1.5.0")
    workshop.sync()
    after = workshop.plugins()["finops"]
    assert (after.disabled, after.is_served, after.upstream_version) == (True, False, "1.5.0")
    with pytest.raises(ConflictError) as refused:
        service.set_system(workshop.state, ADMIN, "acme", "finops", is_system=True)
    assert refused.value.code == "plugin_disabled"
    assert service.set_disabled(workshop.state, ADMIN, "acme", "finops", disabled=False).disabled is False
    assert workshop.plugins()["finops"].is_served
    assert workshop.rows(
        "SELECT action FROM marketplace.audit WHERE action LIKE 'marketplace.plugin.%able' ORDER BY id"
    ) == [("marketplace.plugin.disable",), ("marketplace.plugin.enable",)]
