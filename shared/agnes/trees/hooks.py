"""Hooks that the oldest supported Claude Code does not take, served in a file of their own.

Those are hooks of events that it does not know, and hooks in a form that it does not know. In the manifest one of them makes it refuse
the whole plugin, in a file it runs none of that file's hooks; the newest runs the others. So everybody has the plugin with the hooks
that all clients take, and people with a later client have the others, too (decisions 110 and 175).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from agnes.claude_code.events import EVERYWHERE

NEWER_FILE = "hooks/agnes-newer-events.json"
STANDARD_FILE = "hooks/hooks.json"
"""Read though no manifest names it."""

Table = dict[str, list[Any]]


def apart(hooks: Any, read: Callable[[str], Any]) -> tuple[Any, dict[str, dict[str, Any]]]:
    """What `hooks` of a manifest is as it is served, and the files that are other than they came, NEWER_FILE among them.

    `hooks` is None if there is none; `read` gives what a JSON file holds, None for what is none.
    """
    newer: Table = {}
    files: dict[str, dict[str, Any]] = {}
    served: list[Any] = []
    places = [STANDARD_FILE]
    for one in hooks if isinstance(hooks, list) else [hooks] if hooks else []:
        if isinstance(one, str):
            places.append(one.removeprefix("./"))
            served.append(one)
        elif known := _known(one, newer):
            served.append(known)
    for place in places:
        config = read(place)
        table = config.get("hooks") if isinstance(config, dict) else None
        if not isinstance(table, dict) or _is_taken(table):
            continue
        before = sum(map(len, newer.values()))
        known = _known(table, newer)
        if known or before != sum(map(len, newer.values())):  # else no client runs anything of it
            files[place] = {**config, "hooks": known}
    if newer:
        files[NEWER_FILE] = {"hooks": dict(sorted(newer.items()))}
        served.append(f"./{NEWER_FILE}")
    if not hooks or served == (hooks if isinstance(hooks, list) else [hooks]):
        return (served[0] if newer else hooks), files
    return (served[0] if len(served) == 1 else served) or None, files


def _is_taken(table: dict[str, Any]) -> bool:
    return all(
        event in EVERYWHERE and isinstance(groups, list) and all(map(_is_group, groups))
        for event, groups in table.items()
    )


def _known(table: dict[str, Any], newer: Table) -> Table:
    """What every supported version takes of a table; the rest is put to `newer`."""
    taken: Table = {}
    for event, groups in sorted(table.items(), key=lambda item: item[0] not in EVERYWHERE):
        if not isinstance(groups, list):
            continue  # no client runs it, and the oldest refuses what it stands in
        known = [group for group in groups if event in EVERYWHERE and _is_group(group)]
        others = [group for group in groups if event not in EVERYWHERE or not _is_group(group)]
        if known or (event in EVERYWHERE and not groups):
            taken[event] = known
        if others or event not in EVERYWHERE:
            newer.setdefault(event, []).extend(others)
    return taken


_TEXTS = {
    "command": ("command",),
    "prompt": ("prompt",),
    "agent": ("prompt",),
    "http": ("url",),
    "mcp_tool": ("server", "tool"),
}
"""Type of a hook → the fields that it needs, as every supported version knows them."""


def _is_group(group: Any) -> bool:
    """Whether this is a matcher with hooks in a form that every supported version takes."""
    if not isinstance(group, dict) or not isinstance(group.get("hooks"), list):
        return False
    return isinstance(group.get("matcher", ""), str) and all(map(_is_hook, group["hooks"]))


def _is_hook(hook: Any) -> bool:
    if not isinstance(hook, dict) or hook.get("type") not in _TEXTS:
        return False
    timeout = hook.get("timeout", 1)
    return (
        all(isinstance(hook.get(key), str) for key in _TEXTS[hook["type"]])
        and isinstance(timeout, int | float)
        and not isinstance(timeout, bool)
        and timeout > 0
    )
