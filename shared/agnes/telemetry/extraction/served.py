"""Served names: what Claude Code writes before the colon, and whose plugin that is.

Pure, but for `served_names`, which reads the tables of the marketplace and of the flea market. A flea entity is a
plugin whose `marketplace_id` is its own id.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from functools import cached_property

from agnes.claude_code import components
from agnes.flea import service as flea
from agnes.kernel.state import Db, Row
from agnes.marketplace import browsing, former_names

CURATED, FLEA, BUILTIN = "curated", "flea", "builtin"
SKILL, AGENT, COMMAND = components.SKILL, components.AGENT, components.COMMAND
WORKFLOW, MCP, PLUGIN = components.WORKFLOW, components.MCP, "plugin"

MOST_REMEMBERED = 10_000
"""Names, of any length up to `naming.NAME_LIMIT`, whose items are remembered."""

_MCP_OF_PLUGIN = "mcp__plugin_"
_NOT_IN_TOOL_NAMES = re.compile(r"[^A-Za-z0-9_-]")
"""Claude Code writes `_` for every other character when it makes the name of an MCP tool."""


@dataclass(frozen=True, slots=True)
class Item:
    """What an invocation counts for."""

    source: str
    marketplace_id: str
    plugin: str
    kind: str
    name: str


@dataclass(frozen=True, slots=True)
class ServedPlugin:
    """A plugin under the name that it is served by.

    `items` are its inner items: (kind, name as Claude Code may write it) to the item's name.
    """

    source: str
    marketplace_id: str
    plugin: str
    items: Mapping[tuple[str, str], str] = field(default_factory=dict)

    def item(self, written: str, kinds: Iterable[str]) -> Item:
        """The item of the first of `kinds` that has it; an unknown one is of the first kind. A workflow is called as a command."""
        first, *others = kinds
        called = (*others, WORKFLOW) if COMMAND in (first, *others) else others
        kind = next((kind for kind in (first, *called) if (kind, written) in self.items), first)
        return Item(self.source, self.marketplace_id, self.plugin, kind, self.items.get((kind, written), written))


@dataclass(frozen=True)
class Served:
    """Plugins by served name, each name's in the order of registration.

    Two marketplaces may serve one name to different people. `for_user` puts those that this user is served
    first; who is served neither, or both, is counted for the marketplace that was registered first
    (docs/decisions/0013-telemetry-attribution.md).
    """

    plugins: Mapping[str, tuple[ServedPlugin, ...]] = field(default_factory=dict)
    _items: dict[tuple[str | None, tuple[str, ...]], Item | None] = field(
        default_factory=dict, init=False, repr=False, compare=False
    )
    """What `item` has answered."""

    def for_user(
        self, served: AbstractSet[tuple[str, str]], asked_for: AbstractSet[tuple[str, str]] = frozenset()
    ) -> Served:
        """`served` are (marketplace_id, plugin) that the user is served now; `asked_for` those that they added once."""
        shared = {name: found for name, found in self.plugins.items() if len(found) > 1}
        if not shared:
            return self
        sorted_ = {
            name: tuple(sorted(found, key=lambda p: _precedence((p.marketplace_id, p.plugin), served, asked_for)))
            for name, found in shared.items()
        }
        return Served({**self.plugins, **sorted_})

    @property
    def ambiguous(self) -> bool:
        return any(len(found) > 1 for found in self.plugins.values())

    def plugin(self, name: str | None) -> ServedPlugin | None:
        found = self.plugins.get(name or "")
        return found[0] if found else None

    def item(self, identifier: str | None, *kinds: str) -> Item | None:
        """The item of `prefix:local`, None without a colon or for a name that nobody serves."""
        asked = identifier, kinds
        if asked in self._items:
            return self._items[asked]
        prefix, colon, local = (identifier or "").partition(":")
        plugin = self.plugin(prefix) if colon and local else None
        found = plugin.item(local, kinds) if plugin is not None else None
        if len(self._items) < MOST_REMEMBERED:
            self._items[asked] = found
        return found

    def only(self, local: str | None, *kinds: str) -> Item | None:
        """The item of a name without a prefix, if one plugin alone has it."""
        owners = self._by_local_name.get(local or "", ())
        if len(owners) != 1:
            return None
        (owner,) = owners
        return owner.item(local or "", kinds) if any((kind, local) in owner.items for kind in kinds) else None

    def mcp_item(self, tool: str) -> Item | None:
        """The item of `mcp__plugin_<plugin>_<server>__<tool>`: the plugin's MCP server.

        Names may hold `_` and even `__` themselves, so the plugins' own servers are looked for first, the longest name
        that fits; of a server that no plugin declares, the longest served plugin's name that fits is taken.
        """
        if not tool.startswith(_MCP_OF_PLUGIN):
            return None
        written = tool.removeprefix(_MCP_OF_PLUGIN)
        at = len(written)
        while (at := written.rfind("__", 0, at)) > 0:
            declared = self._by_server.get(written[:at])
            if declared is not None:
                return declared
        server = written.partition("__")[0]
        at = len(server)
        while (at := server.rfind("_", 0, at)) > 0:
            plugin = self._by_tool_prefix.get(server[:at])
            if plugin is not None:
                return Item(plugin.source, plugin.marketplace_id, plugin.plugin, MCP, server[at + 1 :])
        return None

    @cached_property
    def _by_tool_prefix(self) -> Mapping[str, ServedPlugin]:
        return {_NOT_IN_TOOL_NAMES.sub("_", name): found[0] for name, found in self.plugins.items()}

    @cached_property
    def _by_server(self) -> Mapping[str, Item]:
        """Items of declared servers, by plugin and server as a tool's name has them."""
        return {
            _NOT_IN_TOOL_NAMES.sub("_", f"{served_name}_{written}"): plugin.item(written, (MCP,))
            for served_name, (plugin, *_) in reversed(list(self.plugins.items()))
            for kind, written in plugin.items
            if kind == MCP
        }

    @cached_property
    def _by_local_name(self) -> Mapping[str, tuple[ServedPlugin, ...]]:
        """Plugins by the names of their skills and commands."""
        owners: dict[str, dict[tuple[str, str, str], ServedPlugin]] = defaultdict(dict)
        for plugin, *_ in self.plugins.values():
            for kind, written in plugin.items:
                if kind in {SKILL, COMMAND}:
                    owners[written][plugin.source, plugin.marketplace_id, plugin.plugin] = plugin
        return {name: tuple(found.values()) for name, found in owners.items()}


def _precedence(
    plugin: tuple[str, str], served: AbstractSet[tuple[str, str]], asked_for: AbstractSet[tuple[str, str]]
) -> tuple[bool, bool]:
    """What is served comes first, then what is still asked for: a session may be older than the end of a grant."""
    return plugin not in served, plugin not in asked_for


def served_names(db: Db) -> Served:
    """All curated plugins, then what the flea market has served."""
    inner: dict[tuple[str, str], list[Row]] = defaultdict(list)
    for marketplace_id, plugin_name, *item in browsing.inner_names(db):
        inner[marketplace_id, plugin_name].append(tuple(item))
    items = {which: names_inside(rows) for which, rows in inner.items()}
    found: dict[str, tuple[ServedPlugin, ...]] = {}
    for name, prefix, marketplace_id in browsing.written_names(db):
        plugin = ServedPlugin(CURATED, marketplace_id, name, items.get((marketplace_id, name), {}))
        # Claude Code writes plugin.json's name; several entries of one catalog may share it, and sessions of before
        # 2026-11-30 have the catalog's.
        for written in dict.fromkeys((prefix, name)):
            found[written] = (*found.get(written, ()), plugin)
    listed = browsing.listed(db)
    for marketplace_id, old, new in former_names.current(db):
        # Whose client has not been updated still writes the old name.
        if f"{marketplace_id}/{old}" not in listed:
            plugin = ServedPlugin(CURATED, marketplace_id, new, items.get((marketplace_id, new), {}))
            others = (one for one in found.get(old, ()) if (one.marketplace_id, one.plugin) != (marketplace_id, old))
            found[old] = (plugin, *others)
    inside = flea.items(db)
    for entity in flea.entities(db):
        if entity.tree_id is not None:
            name = entity.served_name
            plugin = ServedPlugin(FLEA, entity.id, name, names_inside(inside.get(entity.id, ())))
            found[name] = (*found.get(name, ()), plugin)
    return Served(found)


def names_inside(rows: Iterable[Row]) -> dict[tuple[str, str], str]:
    """(kind, name that a transcript may hold) → name, of rows that begin with kind, name and declared name.

    Declared names lose to the names that the newest client writes. Of a skill's own name 2.1.197 keeps the plugin's prefix and
    writes `-` for what a name may not hold.
    """
    found: dict[tuple[str, str], str] = {}
    names: dict[tuple[str, str], str] = {}
    for kind, name, declared, *_ in rows:
        names[kind, name] = name
        if declared:
            found.setdefault((kind, declared), name)
            if kind == SKILL:
                found.setdefault((kind, _NOT_IN_TOOL_NAMES.sub("-", declared)), name)
    return found | names
