"""Our inventory of a plugin is the client's, for every kind of component and every field of plugin.json.

What a session lists is compared in `test_original_and_feed.py` (client with samples) and `tests/unit/marketplace/test_shapes.py` (samples with
our inventory). Here are the kinds that no session lists: what `claude plugin validate` of the newest client says that a served plugin
provides, and what `claude plugin details` and `claude plugin list` of each version say of its hooks and servers.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from agnes.claude_code import components, events, surface, versions
from agnes.kernel.clock import FixedClock
from agnes.marketplace import inventory
from agnes.marketplace.inventory import Inventory
from agnes.outside.object_store.memory import MemoryStore
from agnes.trees import service as trees
from agnes_local.claude_install import claude_binary
from agnes_local.demo_repository import EXECUTABLE, REGULAR, File, write_files
from tests.builders.claude_client import ClaudeClient
from tests.builders.sample_marketplace import SampleMarketplace
from tests.builders.shapes import shapes
from tests.unit.marketplace.conftest import START, Workshop, workshop_over

pytestmark = pytest.mark.client

REFUSED_BY_VALIDATE = {"lost-paths"}
"""It names paths that are not there: `validate` fails and lists nothing. What a session loads of it is in `test_original_and_feed.py`."""
PLUGIN_NAMES = {"skills", "commands", "agents", "outputStyles", "workflows", "themes"}
"""What the client lists under `plugin:name`."""


@dataclass(frozen=True)
class Served:
    """A plugin of a sample as our feed has it."""

    folder: Path
    files: Mapping[str, bytes]
    entry: dict[str, Any]

    @property
    def inventory(self) -> Inventory:
        return inventory.of_plugin(self.files, self.entry)


RUN = [{"hooks": [{"type": "command", "command": "true"}]}]
NEWER = {
    ".claude-plugin/plugin.json": {
        "name": "newer",
        "version": "1.0.0",
        "hooks": {"TaskDreamed": RUN, "Setup": [*RUN, {"hooks": [{"type": "telepathy"}]}], "PostTooluse": RUN},
    },
    "hooks/hooks.json": {"hooks": {"Stop": RUN, "DirectoryAdded": RUN}, "modules": ["./mod.mjs"]},
    "hooks/mod.mjs": "export function register(on) {}\n",
    "skills/one/SKILL.md": "---\ndescription: One.\n---\nOne.\n",
}
"""A plugin that the oldest client would refuse as it came, and that the newest loads."""


def written(root: Path, shop: Workshop) -> dict[str, Served]:
    """The served plugins of a workshop's only marketplace, in folders below `root`."""
    found: dict[str, Served] = {}
    for name, plugin in shop.plugins().items():
        if not plugin.tree_id:
            continue
        tree, store = trees.get(shop.tools.store, plugin.tree_id), shop.tools.store
        files = {file.path: trees.read_file(store, tree.id, file.path) or b"" for file in tree.files}
        modes = {file.path: EXECUTABLE if file.executable else REGULAR for file in tree.files}
        write_files(root / name, {path: File(body, modes[path]) for path, body in files.items()})
        found[name] = Served(root / name, files, {**plugin.raw, "name": name, "source": f"./{name}"})
    return found


def write_catalog(root: Path, plugins: Mapping[str, Served]) -> None:
    catalog = {"name": "served", "owner": {"name": "x"}, "plugins": [one.entry for one in plugins.values()]}
    write_files(root, {".claude-plugin/marketplace.json": File(json.dumps(catalog).encode())})


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Served]:
    """Every plugin of every accepted shape, and a marketplace of all of them in the folder above."""
    root = tmp_path_factory.mktemp("served")
    found: dict[str, Served] = {}
    for shape in shapes():
        shop = workshop_over(tmp_path_factory.mktemp(shape.name), MemoryStore(), FixedClock(START))
        shop.register(shape.repository(shop.folder / "m.git").url)
        shop.sync()
        found |= written(root, shop)
    write_catalog(root, found)
    return found


def client_in(folder: Path, version: str) -> ClaudeClient:
    (folder / "home").mkdir(parents=True)
    return ClaudeClient(folder / "home", folder, version=version)


def test_what_a_plugin_provides(served: dict[str, Served], tmp_path: Path) -> None:
    """Each kind that `validate` lists, name by name. It reads a plugin's folder and so knows nothing of the catalog's entry."""
    client = client_in(tmp_path, versions.NEWEST)
    words = {row.provides: row.kind for row in components.KINDS if row.provides}
    for name, plugin in served.items():
        done = client.plugin_validate(plugin.folder, check=False)
        output = done.output
        if name in REFUSED_BY_VALIDATE:
            assert done.returncode == 1, output
            assert "Provides:" not in output, "compare it now"
            continue
        theirs = provided(output)
        assert set(theirs) <= set(words), "a kind that our table does not have"
        ours = inventory.of_plugin(plugin.files).components
        for word, kind in words.items():
            expected = {one.name for one in ours if one.kind == kind}
            if kind == "hook":  # not those of a skill's front matter, nor of events of later clients
                expected &= events.KNOWN
            assert theirs.get(word, set()) == expected, f"{word} of {name}\n{output}"


def provided(output: str) -> dict[str, set[str]]:
    """Kind → names of the section *Provides* of `claude plugin validate`."""
    found: dict[str, set[str]] = {}
    section = output.partition("Provides:")[2].partition("\n\nHosts")[0]
    for word, said in re.findall(r"^\s+\S (\w+): (.+)$", section, re.MULTILINE):
        name, _ = json.JSONDecoder().raw_decode(said) if said.startswith('"') else (said.split(" ")[0], 0)
        found.setdefault(word, set()).add(name.partition(":")[2] if word in PLUGIN_NAMES else name.removeprefix("./"))
    return found


@pytest.mark.parametrize("version", versions.TESTED)
def test_hooks_and_servers_as_installed(served: dict[str, Served], tmp_path: Path, version: str) -> None:
    client = client_in(tmp_path, version)
    client.plugin_marketplace_add(next(iter(served.values())).folder.parent)
    for name in served:
        client.plugin_install(f"{name}@served")
    listed = {entry["id"].partition("@")[0]: entry for entry in client.plugin_list()}
    for name, plugin in served.items():
        ours = plugin.inventory.components
        details = client.run("plugin", "details", f"{name}@served").stdout
        known = events.EVERYWHERE if version == versions.OLDEST else events.KNOWN
        hooks = {one.name for one in ours if one.kind == "hook"} & known
        assert names_of(details, "Hooks") == hooks, f"hooks of {name}\n{details}"
        lsp = {one.name for one in ours if one.kind == "lsp"}
        # `details` leaves out those of declared files, which `validate` lists.
        assert names_of(details, "LSP servers") <= lsp, f"language servers of {name}\n{details}"
        servers = {one.name for one in ours if one.kind == "mcp"}
        assert set(listed[name].get("mcpServers", {})) == servers, f"servers of {name}"


@pytest.mark.parametrize(
    ("version", "hooks"),
    [(versions.OLDEST, {"Setup", "Stop"}), (versions.NEWEST, {"Setup", "Stop", "DirectoryAdded"})],
)
def test_what_only_newer_clients_load_costs_the_oldest_nothing_else(
    tmp_path: Path, version: str, hooks: set[str]
) -> None:
    files = {path: body if isinstance(body, str) else json.dumps(body) for path, body in NEWER.items()}
    market = SampleMarketplace(tmp_path / "m.git", {})
    market.write_manifest({"name": "acme", "owner": {"name": "x"}, "plugins": [{"name": "newer", "source": "./newer"}]})
    market.change("newer", {f"newer/{path}": body for path, body in files.items()})
    shop = workshop_over(tmp_path, MemoryStore(), FixedClock(START))
    shop.register(market.url)
    report = shop.sync()
    assert report.refused == []
    newer = "hooks/agnes-newer-events.json: hooks"
    assert sorted(warning.partition(": ")[2] for warning in report.warnings) == [
        f"{newer}.Setup: hooks.0: must be one of the kinds 'command', 'prompt', 'agent', 'mcp_tool', 'http'",
        f"{newer}: DirectoryAdded runs in Claude Code 2.1.332 and later, not in 2.1.197",
        f"{newer}: PostTooluse is an event that Claude Code 2.1.332 does not know (is PostToolUse meant?)",
        f"{newer}: TaskDreamed is an event that Claude Code 2.1.332 does not know",
        "hooks/mod.mjs: Mods (hooks/mod.mjs) need Claude Code 2.1.287; 2.1.197 loads the plugin without",
    ]
    plugins = written(tmp_path / "served", shop)
    write_catalog(tmp_path / "served", plugins)
    client = client_in(tmp_path / "client", version)
    client.plugin_marketplace_add(tmp_path / "served")
    client.plugin_install("newer@served")
    details = client.run("plugin", "details", "newer@served").stdout
    assert names_of(details, "Hooks") == hooks, details
    assert names_of(details, "Skills") == {"one"}
    (listed,) = [entry for entry in client.plugin_list() if entry["id"] == "newer@served"]
    assert len(listed.get("errors", [])) == (1 if version == versions.OLDEST else 0), listed


def names_of(details: str, label: str) -> set[str]:
    """What a line such as `  Hooks (2)  Setup, Stop  (harness-only …)` of `claude plugin details` names."""
    found = re.search(rf"^  {label} \(\d+\)[ \t]*(.*?)(?:  \(.*)?$", details, re.MULTILINE)
    return {name.strip() for name in found[1].split(",") if name.strip()} if found else set()


def test_every_field_of_a_manifest_is_in_our_tables(tmp_path: Path) -> None:
    """A field that `validate` takes without a word, and that declares nothing that we know, may be a new way to run code."""
    binary = claude_binary(versions.NEWEST).read_bytes()
    at = binary.index(b"optionalDependencies:()=>")
    schema = binary[at - 4_000 : at + 6_000]
    listed = {
        name.decode() for name in re.findall(rb"([$\w]+):\(\)=>[$\w]+\(\)(?:\.partial\(\))?\.shape\.\1\b", schema)
    }
    assert len(listed) > 20, "the client writes its schema in another way: find the fields in it again"
    inside = {*surface.EXPERIMENTAL_FIELDS, *components.DESCRIBING_EXPERIMENTAL}
    ours = {*components.FIELDS, *components.DESCRIBING} - {"syntaxHighlighting"}
    probed = {*listed, *ours, *surface.MANIFEST_FIELDS, "zork"}
    inner = {*components.FIELDS, *inside, "zork"}
    folder = tmp_path / "plugin/.claude-plugin"
    folder.mkdir(parents=True)
    given = dict.fromkeys(probed, 0) | {"name": "probe", "experimental": dict.fromkeys(inner, 0)}
    (folder / "plugin.json").write_text(json.dumps(given))
    output = client_in(tmp_path, versions.NEWEST).plugin_validate(tmp_path / "plugin", check=False).output
    unknown = set(re.findall(r"Unknown field '([^']+)'", output))
    assert "zork" in unknown, output
    taken = {name for name in probed if not re.search(rf"\S {re.escape(name)}: Unknown field", output)}
    assert taken - ours == set(), "fields that the client takes and our tables do not have"
    assert ours - taken == set(), "fields of our tables that the client does not take"
    taken_inside = {name for name in inner if not re.search(rf"\S experimental\.{name}: Unknown field", output)}
    assert taken_inside <= {*components.FIELDS, *inside}


def test_the_events_of_hooks_are_those_of_each_version() -> None:
    for version, known in ((versions.OLDEST, events.EVERYWHERE), (versions.NEWEST, events.KNOWN)):
        binary = claude_binary(version).read_bytes()
        lists = set(re.findall(rb'\["PreToolUse","PostToolUse","PostToolUseFailure"[^\]]{200,2000}\]', binary))
        longest = max((json.loads(one) for one in lists), key=len)
        assert set(longest) == known
