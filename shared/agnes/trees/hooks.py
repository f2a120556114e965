"""Hooks of events that the pinned Claude Code does not know, served in a file of their own.

In the manifest such an event makes it refuse the plugin whole, in a file it runs none of that file's hooks. So everybody has
the plugin with the hooks that all clients know, and who has a later client has the others, too (decision 110).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

CLIENT = "2.1.197"
"""The client that knows EVENTS (docs/claude-code-client.md)."""
EVENTS = frozenset(
    [
        "PreToolUse",
        "PostToolUse",
        "PostToolUseFailure",
        "PostToolBatch",
        "Notification",
        "UserPromptSubmit",
        "UserPromptExpansion",
        "SessionStart",
        "SessionEnd",
        "Stop",
        "StopFailure",
        "SubagentStart",
        "SubagentStop",
        "PreCompact",
        "PostCompact",
        "PermissionRequest",
        "PermissionDenied",
        "Setup",
        "TeammateIdle",
        "TaskCreated",
        "TaskCompleted",
        "Elicitation",
        "ElicitationResult",
        "ConfigChange",
        "WorktreeCreate",
        "WorktreeRemove",
        "InstructionsLoaded",
        "CwdChanged",
        "FileChanged",
        "MessageDisplay",
    ]
)
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
        if isinstance(table, dict) and _has_newer(table):
            files[place] = {**config, "hooks": _known(table, newer)}
    if not newer:
        return hooks, {}
    files[NEWER_FILE] = {"hooks": dict(sorted(newer.items()))}
    served.append(f"./{NEWER_FILE}")
    return served[0] if len(served) == 1 else served, files


def _has_newer(table: dict[str, Any]) -> bool:
    """A file in another form is refused by every client: it stays as it is."""
    events = table.keys() - EVENTS
    return bool(events) and all(isinstance(table[event], list) for event in events)


def _known(table: Table, newer: Table) -> Table:
    """Those of known events; the others are put to `newer`."""
    for event in sorted(table.keys() - EVENTS):
        newer.setdefault(event, []).extend(table[event])
    return {event: groups for event, groups in table.items() if event in EVENTS}
