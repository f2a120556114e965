"""Damaged covers and documents: never handed out, named by the health page, and stored again by the next sync."""

from __future__ import annotations

import json
from datetime import datetime
from hashlib import sha256
from pathlib import Path

import pytest

from agnes.feed import sweeping
from agnes.kernel.clock import FixedClock
from agnes.kernel.ports import ANYTHING, Blob
from agnes.marketplace import assets
from agnes.outside.object_store.memory import MemoryStore
from tests.builders.acme_team import ENVIRON, Team, code
from tests.builders.copied_installation import Sent
from tests.builders.house import START, House
from tests.builders.sample_marketplace import PNG

HARMS = ("absent", "empty", "truncated", "one bit", "another's")
GUIDE = b"# Guide\n"
LONG = b"A long manual.\n" * 80_000
"""Fetched from the store itself."""


class Pages(Team):
    """finops has a cover and a document, chartkit a long document."""

    def __init__(self, house: House, folder: Path) -> None:
        super().__init__(house, folder)
        self.market.add_page_files("finops")
        self.market.change("Media", {"media/manual.txt": LONG})
        self.market.write_page("chartkit", doc_links=[{"name": "Manual", "path": "media/manual.txt"}])
        self.register()
        self.sync()
        for plugin in ("finops", "chartkit"):
            self.grant(plugin)
        with house.state.read("marketplace") as db:
            rows = db.execute("SELECT name, metadata FROM marketplace.plugins WHERE metadata IS NOT NULL").fetchall()
        shown = {name: json.loads(metadata) for name, metadata in rows}
        self.urls = {
            "cover": shown["finops"]["cover_url"],
            "document": shown["finops"]["doc_links"][0]["url"],
            "long document": shown["chartkit"]["doc_links"][0]["url"],
        }

    def harm(self, body: bytes, how: str) -> str:
        key, store = f"assets/{sha256(body).hexdigest()}", self.house.store
        changed = {
            "empty": b"",
            "truncated": body[: len(body) // 2],
            "one bit": bytes([body[0] ^ 1]) + body[1:],
            "another's": GUIDE if body != GUIDE else PNG,
        }
        store.remove([key])
        if how != "absent":
            store.write(key, changed[how], expect=ANYTHING)
        assets._compared.clear()  # another process
        return key

    def files(self) -> dict[str, object]:
        return next(
            field
            for field in self.call("GET", "ada", "/api/admin/activity/health").json()["fields"]
            if field["key"] == "plugin_files"
        )


@pytest.fixture
def team(tmp_path: Path):
    clock = FixedClock(START)
    with House(tmp_path, environ=ENVIRON, clock=clock, store=MemoryStore(clock=clock), queue=Sent()) as house:
        yield Pages(house, tmp_path)
        house.state.close()


@pytest.mark.parametrize("how", HARMS)
@pytest.mark.parametrize(("kind", "body"), [("cover", PNG), ("document", GUIDE), ("long document", LONG)])
def test_a_damaged_file_is_not_handed_out_and_the_next_sync_stores_it_again(
    team: Pages, kind: str, body: bytes, how: str
) -> None:
    expected = 302 if body == LONG else 200
    assert team.call("GET", "bob", team.urls[kind]).status == expected
    key = team.harm(body, how)
    answer = team.call("GET", "bob", team.urls[kind])
    assert code(answer, 503) == "asset_damaged"
    assert "sync" in answer.json()["hint"]
    for other, url in team.urls.items():
        assert (other == kind) == (team.call("GET", "bob", url).status == 503)
    plugin = "chartkit" if body == LONG else "finops"
    assert team.call("GET", "bob", f"/marketplace/curated/acme/{plugin}").status == 200
    found = team.files()
    assert (found["color"], f"acme/{plugin}" in str(found["value"])) == ("yellow", True)
    report = team.sync()
    assert any("stored again" in line for line in report["warnings"]), report
    assert body_of(team, key) == body
    assert list(team.house.store.list("damage/")) == []
    assert (body_of(team, f"damaged/{key}") is None) == (how == "absent")
    assert team.call("GET", "bob", team.urls[kind]).status == expected
    team.house.clock.sleep(31)  # health is kept for so long
    assert team.files()["color"] == "green"
    assert not [line for line in team.sync()["warnings"] if "stored" in line]


def test_what_the_repository_does_not_have_any_more_is_forgotten_with_its_page(team: Pages) -> None:
    team.harm(GUIDE, "one bit")
    assert team.call("GET", "bob", team.urls["document"]).status == 503
    team.market.write_page("finops", tagline="Without files")
    assert any("did not give it again" in line for line in team.sync()["warnings"])
    assert code(team.call("GET", "bob", team.urls["document"]), 404) == "asset_not_found"
    assert not [line for line in team.sync()["warnings"] if "guide.md" in line]
    sweep(team, team.house.clock.now())
    assert list(team.house.store.list("damage/")) == []


def test_the_nightly_sweep_finds_what_nobody_opened(team: Pages) -> None:
    team.harm(PNG, "truncated")
    team.harm(LONG, "absent")
    assert sweep(team, team.house.clock.now())["damaged"] == 2
    assert "acme/chartkit, acme/finops" in str(team.files()["value"])
    assert len([line for line in team.sync()["warnings"] if "stored again" in line]) == 2


def test_what_was_put_back_needs_nothing(team: Pages) -> None:
    key = team.harm(PNG, "one bit")
    assert team.call("GET", "bob", team.urls["cover"]).status == 503
    team.house.store.write(key, PNG, expect=ANYTHING)
    report = team.sync()
    assert (report["changed"], [line for line in report["warnings"] if "stored" in line]) == (False, [])
    assert list(team.house.store.list("damage/")) == []


def sweep(team: Pages, now: datetime) -> dict[str, int | str]:
    return sweeping.sweep(team.house.state, team.house.store, clock=team.house.clock, now=now)


def body_of(team: Pages, key: str) -> bytes | None:
    found = team.house.store.read(key)
    return found.body if isinstance(found, Blob) else None
