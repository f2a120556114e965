"""Hooks that the oldest supported Claude Code does not take, served in a file of their own.

Those are hooks of events that it does not know, and hooks in a form that it does not know. In the manifest one of them makes it refuse
the whole plugin, in a file it runs none of that file's hooks; the newest runs the others. So everybody has the plugin with the hooks
that all clients take, and people with a later client have the others, too (decisions 38 and 53).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from agnes.claude_code.events import EVERYWHERE
from agnes.claude_code.hook_forms import is_matched

NEWER_FILE = "hooks/agnes-newer-events.json"
STANDARD_FILE = "hooks/hooks.json"
"""Read though no manifest names it."""

Table = dict[str, list[Any]]


def of_entry(entry: dict[str, Any]) -> tuple[dict[str, Any], Table]:
    """A catalog's entry without its hooks of events that the oldest client refuses the entry for, and these hooks."""
    table = entry.get("hooks")
    if not isinstance(table, dict) or EVERYWHERE.issuperset(table):
        return entry, {}
    known = {event: groups for event, groups in table.items() if event in EVERYWHERE}
    newer = {event: groups for event, groups in table.items() if event not in EVERYWHERE and isinstance(groups, list)}
    return {**entry, "hooks": known}, newer


def apart(hooks: Any, read: Callable[[str], Any], entry: Table | None = None) -> tuple[Any, dict[str, dict[str, Any]]]:
    """What `hooks` of a manifest is as it is served, and the files that are other than they came, NEWER_FILE among them.

    `hooks` is None if there is none; `read` gives what a JSON file holds, None for what is none. `entry` are hooks of the
    catalog's entry for newer events, which count in place of the plugin's own of these events.
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
    newer |= entry or {}
    if newer:
        files[NEWER_FILE] = {"hooks": dict(sorted(newer.items()))}
        served.append(f"./{NEWER_FILE}")
    if not hooks or served == (hooks if isinstance(hooks, list) else [hooks]):
        return (served[0] if newer else hooks), files
    return (served[0] if len(served) == 1 else served) or None, files


def _is_taken(table: dict[str, Any]) -> bool:
    return all(
        event in EVERYWHERE and isinstance(groups, list) and all(map(is_matched, groups))
        for event, groups in table.items()
    )


def _known(table: dict[str, Any], newer: Table) -> Table:
    """What every supported version takes of a table; the rest is put to `newer`."""
    taken: Table = {}
    for event, groups in sorted(table.items(), key=lambda item: item[0] not in EVERYWHERE):
        if not isinstance(groups, list):
            continue  # no client runs it, and the oldest refuses what it stands in
        known = [group for group in groups if event in EVERYWHERE and is_matched(group)]
        others = [group for group in groups if event not in EVERYWHERE or not is_matched(group)]
        if known or (event in EVERYWHERE and not groups):
            taken[event] = known
        if others or event not in EVERYWHERE:
            newer.setdefault(event, []).extend(others)
    return taken
