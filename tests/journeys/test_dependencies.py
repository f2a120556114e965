"""Plugins that need others, in the real client: from our feed they load as from the original, and more of them do."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.builders.claude_client import ClaudeClient
from tests.builders.demo_marketplace import DemoMarketplace
from tests.builders.git_http_server import GitHttpServer
from tests.builders.laptop import Laptop
from tests.builders.sample_marketplace import MANIFEST, SampleMarketplace, small_plugin
from tests.builders.served_installation import ServedInstallation, opened_installation

pytestmark = pytest.mark.client

PLUGIN_JSON = ".claude-plugin/plugin.json"


@pytest.fixture
def installation(tmp_path: Path):
    with opened_installation(tmp_path) as installation:
        yield installation


def write(market: SampleMarketplace, name: str, entries: dict[str, Any] | None = None, /, **manifests: Any) -> None:
    """Replace the catalog by these plugins, each with what its plugin.json says."""
    listed = [{"name": one, "source": f"./plugins/{one}", **(entries or {}).get(one, {})} for one in manifests]
    files = {
        f"plugins/{one}/{path}": body
        for one, said in manifests.items()
        for path, body in {**small_plugin(one), PLUGIN_JSON: json.dumps({"name": one, **said})}.items()
    }
    market.change("Catalog", {**files, MANIFEST: json.dumps({"name": name, "owner": {"name": "A"}, "plugins": listed})})


def client_of(
    demo: DemoMarketplace, folder: Path, version: str, *wanted: str, also: tuple[str, ...] = ()
) -> ClaudeClient:
    """A client with our feed, of a person who added `wanted` and may have `also`; `<slug>/<plugin>`."""
    who = demo.person("mira")
    team = demo.group(who)
    for resource in (*wanted, *also):
        wish = {"group_id": team, "resource_type": "marketplace_plugin", "resource_id": resource}
        demo.admin.post("/api/admin/grants", json=wish, expect=201)
    for resource in wanted:
        slug, _, plugin = resource.partition("/")
        who.post(f"/api/marketplace/curated/{slug}/{plugin}/install", expect=200)
    demo.target.settle()
    laptop = Laptop.new(demo.target, folder / "laptop", claude_version=version)
    client = laptop.claude("http://127.0.0.1:9")
    host = demo.target.base_url.removeprefix("http://")
    client.plugin_marketplace_add(f"http://x:{who.make_token()['token']}@{host}/marketplace.git")
    return client


def ours(client: ClaudeClient) -> dict[str, Any]:
    """Name → errors, of what is installed from our feed."""
    return {p["id"].partition("@")[0]: p.get("errors") for p in client.plugin_list() if p["id"].endswith("@agnes")}


def test_what_a_plugin_needs_comes_with_it(installation: ServedInstallation, tmp_path: Path, claude_version: str):
    """Case B5: of the original, and of our feed to a person who added `report` alone."""
    demo = installation.demo
    write(demo.repository, "shapes", charts={"version": "2.1.0"}, report={"dependencies": ["charts"]})
    demo.sync()
    client = client_of(demo, tmp_path, claude_version, f"{demo.slug}/report", also=(f"{demo.slug}/charts",))
    assert "(+ 1 dependency: charts)" in client.plugin_install("report@agnes").output
    assert ours(client) == {"charts": None, "report": None}


def test_ranges_marketplaces_and_circles(installation: ServedInstallation, tmp_path: Path, claude_version: str):
    demo = installation.demo
    tools = SampleMarketplace(tmp_path / "tools.git")
    write(tools, "shared-tools", fmt={"version": "1.4.0"}, bare={})
    words = {"name": "Tools", "slug": "tools", "url": tools.url, "curator_name": "C", "curator_email": "c@x.example"}
    demo.admin.post("/api/marketplaces", json=words, expect=201)
    demo.admin.post("/api/marketplaces/tools/sync", expect=200)
    needs = [
        {"name": "fmt", "marketplace": "shared-tools", "version": "^1.2"},
        {"name": "bare", "marketplace": "shared-tools", "version": ">=0.0.0"},
        "one",
    ]
    write(
        demo.repository,
        "shapes",
        {"one": {"dependencies": ["two"]}, "two": {"dependencies": ["one"]}},
        report={"dependencies": needs},
        one={},
        two={},
    )
    demo.sync()
    also = ("tools/fmt", "tools/bare", f"{demo.slug}/one", f"{demo.slug}/two")
    client = client_of(demo, tmp_path, claude_version, f"{demo.slug}/report", also=also)
    said = client.plugin_install("report@agnes").output
    assert "(+ 4 dependencies:" in said
    assert ours(client) == dict.fromkeys(("bare", "fmt", "one", "report", "two"))


def test_what_a_range_holds_is_held(installation: ServedInstallation, tmp_path: Path, claude_version: str):
    """The client loads at 1.4.0 what our feed serves at 1.4.0, although 2.0.0 is the newest."""
    demo = installation.demo
    needs = {"dependencies": [{"name": "charts", "version": "^1"}]}
    write(demo.repository, "shapes", charts={"version": "1.4.0"}, report=needs)
    demo.sync()
    write(demo.repository, "shapes", charts={"version": "2.0.0"}, report=needs)
    demo.sync()
    client = client_of(demo, tmp_path, claude_version, f"{demo.slug}/report", also=(f"{demo.slug}/charts",))
    client.plugin_install("report@agnes")
    assert ours(client) == {"charts": None, "report": None}
    assert (client.plugin_version("charts@agnes") or "").startswith("1.4.0+")


def test_a_tag_that_no_sync_has_read(installation: ServedInstallation, tmp_path: Path, claude_version: str):
    """The repository was registered when `charts` was at 2.0.0 already; `report` needs what only the tag has. The original: both
    load, `charts` at 1.4.0."""
    demo = installation.demo
    needs = {"dependencies": [{"name": "charts", "version": "^1"}]}
    for version in ("1.2.0", "1.4.0", "2.0.0"):
        write(demo.repository, "shapes", charts={"version": version}, report=needs)
        demo.repository.tag(f"charts--v{version}")
    with GitHttpServer(demo.repository.folder.parent) as server:
        original = Laptop.new(demo.target, tmp_path / "original", claude_version=claude_version).claude(
            "http://127.0.0.1:9"
        )
        original.plugin_marketplace_add(server.url(demo.repository.folder.name))
        assert "(+ 1 dependency: charts)" in original.plugin_install("report@shapes").output
        assert (original.plugin_version("charts@shapes") or "").startswith("1.4.0")
    demo.sync()
    client = client_of(demo, tmp_path, claude_version, f"{demo.slug}/report", also=(f"{demo.slug}/charts",))
    client.plugin_install("report@agnes")
    assert ours(client) == {"charts": None, "report": None}
    assert (client.plugin_version("charts@agnes") or "").startswith("1.4.0+")
