"""An admin's first hour, and an analyst's: register, sync, grant, browse, add to the stack."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from tests.builders.demo_marketplace import DemoMarketplace, analyst_with, synced_demo
from tests.builders.git_http_server import GitHttpServer
from tests.builders.patience import PATIENCE_SECONDS
from tests.builders.sample_marketplace import HOSTILE_FILES, PLUGINS, SampleMarketplace
from tests.builders.target import PASSWORD, Target


def eventually(check: Callable[[], Any], within_seconds: float = PATIENCE_SECONDS) -> None:
    deadline = time.monotonic() + within_seconds
    while not check():
        assert time.monotonic() < deadline, f"not within {within_seconds} s"
        time.sleep(0.25)


class TestSyncing:
    def test_a_synced_marketplace_lists_its_plugins(self, demo: DemoMarketplace):
        lines = {line["name"]: line for line in demo.admin.get(f"/api/marketplaces/{demo.slug}/plugins").json()}
        assert lines.keys() == set(PLUGINS)
        assert all(line["served"] and line["problem"] is None for line in lines.values())
        assert lines["finops"]["upstream_version"] == "1.4.0"
        assert lines["finops"]["version"].startswith("1.4.0+"), "the version that is served is made of the content"
        registered = demo.registered()
        assert (registered["last_commit_sha"], registered["plugin_count"]) == (demo.repository.head, 3)

    def test_hostile_files_are_left_out_by_name_and_their_plugins_served(self, house: Target, tmp_path: Path):
        repository = SampleMarketplace(tmp_path / "marketplace.git")
        traps = {f"trap{number}": kind for number, kind in enumerate(HOSTILE_FILES)}
        for trap, kind in traps.items():
            repository.add_plugin(trap, extra=HOSTILE_FILES[kind])
        demo = DemoMarketplace(house, house.admin(), repository)
        demo.register()
        report = demo.sync()
        assert report["refused"] == []
        assert {*PLUGINS, *traps} <= set(report["added"])
        left_out = [warning for warning in report["warnings"] if warning.endswith("it is left out")]
        assert any(warning.startswith("trap0: skills/hello/passwords.md: a symbolic link") for warning in left_out)
        served_whole = {"symlink inside the plugin", "symlinked folder", "setuid mode"}
        assert {warning.partition(":")[0] for warning in left_out} == {
            trap for trap, kind in traps.items() if kind not in served_whole
        }

    def test_a_broken_catalog_keeps_the_last_good_plugins_and_says_why(self, demo: DemoMarketplace):
        analyst = analyst_with(demo, "finops")
        good = demo.repository.manifest()
        demo.repository.write_manifest(b'{"plugins": [')
        code = demo.admin.refused("POST", f"/api/marketplaces/{demo.slug}/sync", 422)
        assert code == "catalog_invalid"
        registered = demo.registered()
        assert registered["last_error"]
        assert registered["last_commit_sha"] == demo.repository.commits[0]
        assert demo.card(analyst, "finops")["installed"] is True
        demo.repository.write_manifest(good)
        assert demo.sync()["plugin_count"] == 3

    def test_sync_all_reaches_each_one_whatever_becomes_of_the_others(
        self, demo: DemoMarketplace, house: Target, tmp_path: Path
    ):
        gone = synced_demo(house, tmp_path / "gone")
        shutil.rmtree(gone.repository.folder)
        wanted = demo.repository.release_finops("1.5.0")
        report = demo.admin.post("/api/marketplaces/sync-all", expect=200).json()
        assert gone.slug in {failure["id"] for failure in report["errors"]} | set(report["queued"])
        # Those for which one request has no time are queued.
        eventually(lambda: demo.registered()["last_commit_sha"] == wanted and gone.registered()["last_error"])
        assert gone.registered()["plugin_count"] == len(PLUGINS)

    def test_the_nightly_job_syncs_through_the_queue(self, demo: DemoMarketplace):
        wanted = demo.repository.release_finops("1.5.0")
        demo.target.run_job("marketplace.sync")
        eventually(
            lambda: demo.registered()["last_commit_sha"] == wanted, within_seconds=PATIENCE_SECONDS
        )  # after all the others

    @pytest.mark.git
    def test_over_http_from_real_git(self, house: Target, tmp_path: Path):
        repository = SampleMarketplace(tmp_path / "repositories" / "marketplace.git")
        with GitHttpServer(repository.folder.parent, password="s3cret") as server:
            demo = DemoMarketplace(house, house.admin(), repository)
            demo.register(server.url("marketplace.git"))
            assert demo.admin.refused("POST", f"/api/marketplaces/{demo.slug}/sync", 502)
            demo.admin.call("PATCH", f"/api/marketplaces/{demo.slug}", json={"token": "s3cret"})
            assert demo.sync()["added"] == list(PLUGINS)
            repository.release_finops("1.5.0")
            report = demo.sync()
            assert (report["action"], report["updated"], report["commit"]) == ("update", ["finops"], repository.head)
            assert demo.sync()["changed"] is False


class TestBrowsing:
    def test_nobody_sees_a_plugin_before_it_is_granted(self, demo: DemoMarketplace):
        mira, omar = demo.person("mira"), demo.person("omar")
        team = demo.group(mira)
        finops = f"/api/marketplace/curated/{demo.slug}/finops"
        for person in (mira, omar, demo.admin):
            assert demo.slug not in {item["marketplace_slug"] for item in person.items().values()}
        assert mira.refused("GET", finops, 403) == "plugin_not_granted"
        mira.refused("POST", f"{finops}/install", 403)

        grant = demo.grant(team, "finops")
        assert [(name, item["marketplace_slug"]) for name, item in mira.items().items()] == [("finops", demo.slug)]
        assert omar.items() == {}
        assert omar.refused("GET", finops, 403) == "plugin_not_granted"

        demo.install(mira, "finops")
        demo.revoke(grant)
        assert mira.items() == {}
        assert mira.get("/api/my-stack").json()["curated"] == []

    def test_an_analyst_adds_a_card_to_the_stack(self, demo: DemoMarketplace):
        mira = demo.person("mira")
        demo.grant(demo.group(mira), "finops")
        card = demo.card(mira, "finops")
        assert (card["type"], card["installed"], card["stack_count"]) == ("plugin", False, 0)
        assert (card["category"], card["owner"]) == ("Data & Analytics", "Mira Okafor")
        demo.install(mira, "finops")
        card = demo.card(mira, "finops")
        assert (card["installed"], card["stack_count"]) == (True, 1)
        detail = demo.detail(mira, "finops")
        assert [skill["invocation"] for skill in detail["skills"]] == ["/finops:budget-variance", "/finops:forecast"]
        assert [agent["invocation"] for agent in detail["agents"]] == ["@agent-finops:auditor"]
        assert detail["telemetry"] is None
        mira.delete(f"/api/marketplace/curated/{demo.slug}/finops/install", expect=200)
        assert demo.card(mira, "finops")["installed"] is False

    def test_the_same_in_a_browser_without_script(self, demo: DemoMarketplace):
        mira = demo.person("mira")
        demo.grant(demo.group(mira), "finops")
        browser = demo.target.visitor()
        there = browser.get("/marketplace", headers={"Accept": "text/html"}, expect=302).headers["Location"]
        assert "/login" in there
        login = Page(browser.get("/login?next=/marketplace").text)
        assert login.form("password/login/web") == {"email", "password", "next"}
        form = {"email": mira.email, "password": PASSWORD, "next": "/marketplace"}
        assert (
            browser.post("/auth/password/login/web", data=form, expect=303).headers["Location"].endswith("/marketplace")
        )

        listing = Page(browser.get("/marketplace", expect=200).text)
        path = f"/marketplace/curated/{demo.slug}/finops"
        assert any(link.endswith(path) for link in listing.links)
        assert Page(browser.get(path, expect=200).text).form(path) == {"enabled"}
        browser.post(path, data={"enabled": "true"}, expect=303)
        assert demo.card(mira, "finops")["installed"] is True
        browser.post(path, data={"enabled": "false"}, expect=303)
        assert demo.card(mira, "finops")["installed"] is False

    def test_another_site_cannot_change_a_stack(self, demo: DemoMarketplace):
        mira = demo.person("mira")
        demo.grant(demo.group(mira), "finops")
        browser = demo.target.visitor()
        browser.post("/auth/password/login/web", data={"email": mira.email, "password": PASSWORD}, expect=303)
        elsewhere = {"Origin": "https://evil.example", "Sec-Fetch-Site": "cross-site"}
        path = f"/marketplace/curated/{demo.slug}/finops"
        browser.post(path, data={"enabled": "true"}, headers=elsewhere, expect=403)
        assert demo.card(mira, "finops")["installed"] is False


class Page(HTMLParser):
    """Links, and the named fields of each form, of a page."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.links: list[str] = []
        self._forms: list[tuple[str, set[str]]] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        if tag == "a" and given.get("href"):
            self.links.append(given["href"])
        elif tag == "form":
            self._forms.append((given.get("action") or "", set()))
        elif tag in ("input", "button", "select", "textarea") and given.get("name") and self._forms:
            self._forms[-1][1].add(given["name"])

    def form(self, action: str) -> set[str]:
        """The fields of the form that is sent to an address ending in `action`."""
        return next(fields for address, fields in self._forms if address.endswith(action))
