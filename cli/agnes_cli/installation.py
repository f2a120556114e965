"""What `agnes init` puts into a workspace's `.claude/settings.json`: hooks and the status line. Values to values.

Whatever else stands there stays as it is; what is ours is known by how its command begins.
"""

from __future__ import annotations

import json
from typing import Any

from agnes_cli.failures import BadInput

CAPTURE = "agnes capture-session"
CHECK = "agnes refresh-marketplace --check"
PULL = "agnes pull --background"
STATUS = "agnes statusline"
HOOKS = {
    "SessionStart": (f"{CAPTURE} || true", f"{PULL} || true", f"{CHECK} || true"),
    "SessionEnd": (f"{CAPTURE} --push || true",),
}
TIMEOUT_SECONDS = 15
"""Without one of its own a SessionEnd hook is killed after about 1.5 s (docs/claude-code-client.md)."""
STATUS_LINE = {"type": "command", "command": f"{STATUS} || true"}


def install(settings: dict[str, Any], *, status_line: bool = True) -> bool:
    """Put what is ours into `settings`, in place of an earlier version of it; False if it is there as it should be.

    `status_line`: unless somebody else's stands there.
    """
    before = json.dumps(settings)
    hooks = settings.setdefault("hooks", {})
    for event, commands in HOOKS.items():
        ours = [{"type": "command", "command": command, "timeout": TIMEOUT_SECONDS} for command in commands]
        hooks[event] = [{"hooks": ours}, *_others(hooks, event)]
    if status_line and not has_other_status_line(settings):
        settings["statusLine"] = STATUS_LINE
    return json.dumps(settings) != before


def remove(settings: dict[str, Any]) -> bool:
    """Take what is ours out of `settings`, and what is empty without it; False if there was nothing."""
    before = json.dumps(settings)
    hooks = settings.get("hooks", {})
    for event in HOOKS:
        groups = _groups(hooks, event)
        others = _others(hooks, event)
        if others:
            hooks[event] = others
        elif groups:
            del hooks[event]
    if _is_ours(settings.get("statusLine"), STATUS):
        del settings["statusLine"]
    if json.dumps(settings) == before:
        return False
    if not hooks:
        settings.pop("hooks", None)
    return True


def missing(settings: dict[str, Any]) -> list[str]:
    """The events without an Agnes hook."""
    return [
        event
        for event in HOOKS
        if len(_others(settings.get("hooks", {}), event)) == len(_groups(settings.get("hooks", {}), event))
    ]


def has_other_status_line(settings: dict[str, Any]) -> bool:
    return settings.get("statusLine") is not None and not _is_ours(settings["statusLine"], STATUS)


def has_status_line(settings: dict[str, Any]) -> bool:
    return _is_ours(settings.get("statusLine"), STATUS)


def _groups(hooks: Any, event: str) -> list[Any]:
    if not isinstance(hooks, dict):
        raise BadInput("`hooks` in .claude/settings.json is no object", hint="Correct the file, then run this again.")
    groups = hooks.get(event, [])
    if not isinstance(groups, list):
        raise BadInput(f"`hooks.{event}` in .claude/settings.json is no list", hint="Correct the file first.")
    return groups


def _others(hooks: Any, event: str) -> list[Any]:
    """The groups of an event without our hooks; of a group that holds both, somebody else's stay."""
    kept = []
    for group in _groups(hooks, event):
        held = group.get("hooks") if isinstance(group, dict) else None
        if not isinstance(held, list) or not any(_is_ours(hook, CAPTURE, PULL, CHECK) for hook in held):
            kept.append(group)
        elif others := [hook for hook in held if not _is_ours(hook, CAPTURE, PULL, CHECK)]:
            kept.append({**group, "hooks": others})
    return kept


def _is_ours(entry: Any, *commands: str) -> bool:
    return isinstance(entry, dict) and str(entry.get("command", "")).startswith(commands)
