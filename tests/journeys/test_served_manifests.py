"""`claude plugin validate` of the real client accepts every manifest that we serve, wherever the plugin comes from."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from agnes.claude_code import versions
from agnes.outside.git import DulwichGit
from agnes_local.demo_repository import BareRepository, File
from tests.builders.demo_marketplace import analyst_with
from tests.builders.laptop import Laptop
from tests.builders.npm_registry import NpmRegistry, archive
from tests.builders.sample_marketplace import small_plugin
from tests.builders.served_installation import ServedInstallation, opened_installation

pytestmark = pytest.mark.client

GITHUB = "https://github.com/northwind/"
MANIFEST = ".claude-plugin/plugin.json"
SAMPLES = Path(__file__).parents[1] / "samples"
CLOSE = "---\nname: close\ndescription: Closes the month.\n---\nClose it.\n"


class GitHubHere(DulwichGit):
    """As DulwichGit, with GitHub's repositories of Northwind in a folder of this test."""

    def __init__(self, folder: Path) -> None:
        super().__init__(allow=frozenset({"file", "http", "private"}))
        self._folder = folder

    def fetch(self, url: str, **given: Any) -> Any:
        here = self._folder / url.removeprefix(GITHUB) if url.startswith(GITHUB) else None
        return super().fetch(here.as_uri() if here else url, **given)


@pytest.fixture
def registry() -> Iterator[NpmRegistry]:
    with NpmRegistry() as server:
        yield server


@pytest.fixture
def installation(tmp_path: Path, registry: NpmRegistry) -> Iterator[ServedInstallation]:
    environ = {"AGNES_NPM_REGISTRY": registry.url()}
    with opened_installation(tmp_path, environ=environ, git=GitHubHere(tmp_path / "github")) as installation:
        yield installation


def repository(folder: Path, plugin: str, at: str = "") -> BareRepository:
    made = BareRepository(folder, {f"{at}{path}": File(body.encode()) for path, body in small_plugin(plugin).items()})
    made.commit(plugin)
    return made


def test_from_every_source_and_of_every_form(
    installation: ServedInstallation, registry: NpmRegistry, tmp_path: Path, claude_version: str
):
    demo, market = installation.demo, installation.demo.repository
    registry.publish("@northwind/packed", "1.0.0", archive(small_plugin("packed")))
    repository(tmp_path / "github" / "hub.git", "hub")
    url = repository(tmp_path / "elsewhere.git", "linked").url
    mono = repository(tmp_path / "mono.git", "deep", "packages/deep/").url
    market.add_plugin("packed", {"source": "npm", "package": "@northwind/packed", "version": "^1.0.0"})
    market.add_plugin("hub", {"source": "github", "repo": "northwind/hub"})
    market.add_plugin("linked", {"source": "url", "url": url})
    market.add_plugin("deep", {"source": "git-subdir", "url": mono, "path": "packages/deep"})
    # What the client would refuse as it came: words for objects, an object for a word, nulls.
    mended = {"name": "Mended", "author": "Mira", "repository": {"type": "git", "url": "https://x.example/y"}}
    said = json.dumps({**mended, "license": None, "hooks": None, "agents": []})
    market.add_plugin("mended", extra={MANIFEST: said}, author="Mira", homepage=None)
    market.add_plugin("bare", extra={MANIFEST: "{}"}, author={"name": "", "email": None}, tags=["x"])
    forms = json.loads((SAMPLES / "accept/marketplace/forms.json").read_text())
    # Every form of a dependency is tried in test_dependencies: here they name plugins that this catalog has.
    forms["dependencies"] = ["bare", {"name": "mended"}]
    market.add_plugin(
        "forms",
        extra={MANIFEST: json.dumps(forms), "more/close.md": CLOSE, "more/hooks.json": '{"hooks": {}}'},
        **forms,
    )
    # Of an event that a later client will know: inline, and in the file that no manifest names.
    run = [{"hooks": [{"type": "command", "command": "true"}]}]
    table = json.dumps({"hooks": {"SessionStart": run, "TaskDreamed": run}})
    market.add_plugin("newer", extra={MANIFEST: table, "hooks/hooks.json": table})
    demo.admin.call("PATCH", f"/api/marketplaces/{demo.slug}", json={"allow_external": True})
    report = demo.sync()
    assert report["refused"] == []

    curated = ("packed", "hub", "linked", "deep", "mended", "bare", "forms", "newer")
    vera = analyst_with(demo, *curated, name="vera")
    for kind in ("plugin", "skill", "agent"):
        vera.post(f"/api/store/entities/{installation.plant(f'a-{kind}', kind=kind)}/install")
    served = {*curated, *(f"a-{kind}-by-bob" for kind in ("plugin", "skill", "agent"))}

    client = Laptop.new(installation.target, tmp_path / "vera", claude_version=claude_version).claude(
        "http://127.0.0.1:9"
    )
    token = vera.make_token()["token"]
    client.plugin_marketplace_add(f"{installation.target.base_url}/marketplace.git".replace("://", f"://x:{token}@"))
    (added,) = client.plugin_marketplace_list()
    clone = Path(added["installLocation"])
    assert {path.name for path in (clone / "plugins").iterdir()} == served
    client.plugin_validate(clone)
    for name in served:
        client.plugin_validate(clone / "plugins" / name)
    client.plugin_install(f"newer@{added['name']}")
    (newer,) = client.plugin_list()
    assert newer["enabled"]
    if claude_version == versions.OLDEST:
        assert len(newer["errors"]) == 1, "the file of what it does not know, and no other"
        assert "TaskDreamed" in newer["errors"][0]
    else:
        assert not newer.get("errors"), "an event that it does not know is ignored"
