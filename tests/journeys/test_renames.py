"""A plugin that its catalog renames, in the real client: whoever has alpha installed has beta after a refresh."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.builders.demo_marketplace import analyst_with
from tests.builders.desk import Desk
from tests.builders.laptop import Laptop
from tests.builders.sample_marketplace import MANIFEST, small_plugin
from tests.builders.served_installation import ServedInstallation, opened_installation

pytestmark = pytest.mark.client


@pytest.fixture
def installation(tmp_path: Path):
    with opened_installation(tmp_path) as installation:
        yield installation


def rename(installation: ServedInstallation, old: str, new: str, renames: dict[str, Any]) -> None:
    """Rename a plugin of the marketplace's catalog, with its folder."""
    market = installation.demo.repository
    catalog = market.manifest() | {"renames": renames}
    entry = next(one for one in catalog["plugins"] if one["name"] == old)
    entry |= {"name": new, "source": f"./plugins/{new}"}
    files = {f"plugins/{new}/{path}": body for path, body in small_plugin(new).items()}
    market.change(f"{old} becomes {new}", {**files, MANIFEST: json.dumps(catalog)})
    installation.demo.sync()
    installation.demo.target.settle()


def test_who_has_alpha_has_beta_after_a_refresh(installation: ServedInstallation, tmp_path: Path, claude_version: str):
    desk = Desk.of(installation.demo, tmp_path, claude_version=claude_version)
    desk.add("finops", "chartkit")
    desk.refresh("--bootstrap")
    assert {name for name in desk.installed() if name.endswith("@agnes")} == {"finops@agnes", "chartkit@agnes"}
    rename(installation, "finops", "money", {"finops": "money"})
    assert "money" in desk.check()
    desk.refresh()
    for _ in range(2):
        found = {name: p.get("errors") for name, p in desk.installed().items() if name.endswith("@agnes")}
        assert found == {"money@agnes": None, "chartkit@agnes": None}
    # A second rename of one that never saw the first.
    rename(installation, "money", "cash", {"finops": "money", "money": "cash"})
    desk.refresh()
    assert {name for name in desk.installed() if name.endswith("@agnes")} == {"cash@agnes", "chartkit@agnes"}


def test_the_client_follows_the_served_map_by_itself(
    installation: ServedInstallation, tmp_path: Path, claude_version: str
):
    """Without `agnes`: a person who cloned the feed. Both versions of the client move the settings to the new name."""
    demo = installation.demo
    who = analyst_with(demo, "finops", "chartkit")
    demo.target.settle()
    client = Laptop.new(demo.target, tmp_path / "mira", claude_version=claude_version).claude("http://127.0.0.1:9")
    host = demo.target.base_url.removeprefix("http://")
    client.plugin_marketplace_add(f"http://x:{who.make_token()['token']}@{host}/marketplace.git")
    client.plugin_install("finops@agnes")
    rename(installation, "finops", "money", {"finops": "money"})
    client.plugin_marketplace_update("agnes")
    client.plugin_list()  # the client moves the settings when plugins are loaded next
    settings = json.loads((client.home / ".claude" / "settings.json").read_text())
    assert settings["enabledPlugins"] == {"money@agnes": True}
    client.plugin_install("money@agnes")
    found = {p["id"]: p.get("errors") for p in client.plugin_list() if p["id"].endswith("@agnes")}
    assert found == {"money@agnes": None}
