"""Each form of plugin.json and of a catalog's entry is taken or refused by us as by the real clients."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path
from typing import Any

import pytest

from agnes.claude_code import versions
from agnes.kernel.clock import FixedClock
from agnes.outside.object_store.memory import MemoryStore
from agnes_local.demo_repository import File, write_files
from tests.builders.claude_client import ClaudeClient
from tests.builders.loaded_components import PROGRAMS, init_event, loaded_from
from tests.builders.sample_marketplace import SampleMarketplace
from tests.builders.scripted_messages_api import ScriptedMessagesApi
from tests.journeys.test_inventory import write_catalog, written
from tests.unit.marketplace.conftest import START, workshop_over

pytestmark = pytest.mark.client

SAMPLES = Path(__file__).parents[1] / "samples"
SKILL = "---\nname: one\ndescription: One.\n---\nOne.\n"
RUN = [{"hooks": [{"type": "command", "command": "true"}]}]


def cases(path: str) -> list[dict[str, Any]]:
    return tomllib.loads((SAMPLES / path).read_text())["case"]


def test_each_manifest_is_loaded_or_refused(tmp_path: Path, claude_version: str) -> None:
    """One session over all of them. `claude plugin validate` is stricter: it refuses what the client only ignores."""
    taken, refused = cases("accept/marketplace/manifests.toml"), cases("reject/marketplace/manifests.toml")
    expected = {f"t{n}": case.get("refused_by") != claude_version for n, case in enumerate(taken)}
    expected |= {f"r{n}": case.get("accepted_by") == claude_version for n, case in enumerate(refused)}
    every = {f"t{n}": case for n, case in enumerate(taken)} | {f"r{n}": case for n, case in enumerate(refused)}
    folders: list[str] = []
    for name, case in every.items():
        manifest = {"name": name, **json.loads(case["fields"])}
        files = {
            ".claude-plugin/plugin.json": json.dumps(manifest),
            "README.txt": "",
            "agents/a.md": SKILL,
            "skills/one/SKILL.md": SKILL,
        }
        write_files(tmp_path / name, {path: File(body.encode()) for path, body in files.items()})
        folders += ["--plugin-dir", str(tmp_path / name)]
    loaded = plugins_of_a_session(tmp_path, claude_version, *folders)
    wrong = {every[name]["id"]: is_taken for name, is_taken in expected.items() if (name in loaded) != is_taken}
    assert wrong == {}, "what the client does otherwise"


def plugins_of_a_session(folder: Path, version: str, *arguments: str) -> set[str]:
    (folder / "home").mkdir()
    with ScriptedMessagesApi([]) as api:
        client = ClaudeClient(folder / "home", folder, api.url, {"PATH": PROGRAMS}, version=version)
        client.write_settings(disableAllHooks=True)
        return {plugin["name"] for plugin in init_event(client, *arguments)["plugins"]}


ENTRIES: dict[str, dict[str, Any]] = {
    "unknown-event": {"hooks": {"TaskDreamed": RUN, "Stop": RUN}},
    "newer-event": {"hooks": {"DirectoryAdded": RUN, "Stop": RUN}},
    "malformed-hook": {"hooks": {"Stop": [*RUN, {"hooks": [{"type": "telepathy"}]}]}},
    "hooks-in-a-list": {"hooks": [{"Setup": RUN}]},
    "hooks-in-a-file": {"hooks": "./hooks/hooks.json"},
    "keywords": {"keywords": "x"},
    "homepage": {"homepage": "nope"},
    "mail": {"homepage": "mailto:mira@northwind.example"},
    "relevance": {"relevance": 7},
    "request-timeout": {
        "lspServers": {"a": {"command": "x", "extensionToLanguage": {".x": "x"}, "requestTimeout": 5}},
    },
    "own-folder": {"skills": "."},
    "long-" + "n" * 123: {},
}
"""Fields of an entry, beside no plugin.json."""
ONLY_BY_THE_NEWEST = {"request-timeout"}


def test_each_entry_is_loaded_or_refused(tmp_path: Path, claude_version: str) -> None:
    """What the newest client installs from the original, each supported client installs from what we serve."""
    market = SampleMarketplace(tmp_path / "m.git", {})
    entries = [{"name": name, "source": f"./{name}", **fields} for name, fields in ENTRIES.items()]
    market.write_manifest({"name": "acme", "owner": {"name": "x"}, "plugins": entries})
    files = {"skills/one/SKILL.md": SKILL, "hooks/hooks.json": json.dumps({"hooks": {"SessionStart": RUN}})}
    for name in ENTRIES:
        market.change(name, {f"{name}/{path}": body for path, body in files.items()})
    shop = workshop_over(tmp_path, MemoryStore(), FixedClock(START))
    shop.register(market.url)
    refused = {one.plugin for one in shop.sync().refused}
    plugins = written(tmp_path / "served", shop)
    write_catalog(tmp_path / "served", plugins)
    served = loaded_from(tmp_path / "served", plugins, tmp_path / "feed", claude_version)
    later = set() if claude_version == versions.NEWEST else ONLY_BY_THE_NEWEST
    assert set(served.plugins) == set(plugins) - later
    if claude_version == versions.NEWEST:
        catalog = {"name": "acme", "owner": {"name": "x"}, "plugins": entries}
        placed = {f"{name}/{path}": File(body.encode()) for name in ENTRIES for path, body in files.items()}
        write_files(
            tmp_path / "original", {".claude-plugin/marketplace.json": File(json.dumps(catalog).encode()), **placed}
        )
        original = loaded_from(tmp_path / "original", ENTRIES, tmp_path / "upstream", claude_version)
        assert set(original.refused) == refused
        assert original.components() == served.components()
