from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import click

from agnes_cli.failures import BadInput
from agnes_cli.workspace import Workspace

CAPTURE = "agnes capture-session"
CHECK = "agnes refresh-marketplace --check"
HOOKS = {
    "SessionStart": (f"{CAPTURE} || true", f"{CHECK} || true"),
    "SessionEnd": (f"{CAPTURE} --push || true",),
}
TIMEOUT_SECONDS = 15
"""Without one of its own a SessionEnd hook is killed after about 1.5 s (docs/claude-code-client.md)."""

UPDATE_COMMAND = """\
---
description: Bring the plugins of your Agnes stack up to date
allowed-tools: Bash(agnes refresh-marketplace:*)
---

Run `agnes refresh-marketplace` once and tell me in one or two sentences what it changed or why it could not.
If it installed or updated anything, ask me to run /reload-plugins.
"""
"""What a session start that finds something new points at."""


@click.command()
@click.option(
    "--workspace", type=click.Path(path_type=Path, file_okay=False), help="The current directory if not given."
)
@click.option("--undo", is_flag=True, help="Take out again what this command put in.")
def command(workspace: Path | None, undo: bool) -> None:
    """Prepare a workspace: its Claude Code sessions are captured, and sent when they end; its plugins stay fresh.

    Other settings and hooks in .claude/settings.json stay as they are.
    """
    folder = Workspace(workspace and workspace.absolute()).folder
    path = folder / "settings.json"
    settings = _read(path)
    changed = remove(settings) if undo else install(settings)
    if changed:
        _write(path, settings)
    changed = _command_file(folder / "commands" / "update-agnes-plugins.md", undo=undo) or changed
    if undo:
        said = f"Our hooks are out of {path}." if changed else f"There was nothing of ours in {path}."
    else:
        said = f"Hooks are in {path}." if changed else f"{path} has the hooks already."
    click.echo(said, err=True)


def install(settings: dict[str, Any]) -> bool:
    """Put our hooks into `settings`, in place of earlier ones of ours; False if they are there as they should be."""
    before = json.dumps(settings)
    hooks = settings.setdefault("hooks", {})
    for event, commands in HOOKS.items():
        others = [group for group in _groups(hooks, event) if not _ours(group)]
        ours = [{"type": "command", "command": command, "timeout": TIMEOUT_SECONDS} for command in commands]
        hooks[event] = [{"hooks": ours}, *others]
    return json.dumps(settings) != before


def remove(settings: dict[str, Any]) -> bool:
    """Take our hooks out of `settings`, and what is empty without them; False if there were none."""
    before = json.dumps(settings)
    hooks = settings.get("hooks", {})
    for event in HOOKS:
        groups = _groups(hooks, event)
        others = [group for group in groups if not _ours(group)]
        if others:
            hooks[event] = others
        elif groups:
            del hooks[event]
    if json.dumps(settings) == before:
        return False
    if not hooks:
        del settings["hooks"]
    return True


def _groups(hooks: Any, event: str) -> list[Any]:
    if not isinstance(hooks, dict):
        raise BadInput("`hooks` in .claude/settings.json is no object", hint="Correct the file, then run this again.")
    groups = hooks.get(event, [])
    if not isinstance(groups, list):
        raise BadInput(f"`hooks.{event}` in .claude/settings.json is no list", hint="Correct the file first.")
    return groups


def _ours(group: Any) -> bool:
    """Wholly ours: a group that also holds somebody else's hook is left alone."""
    hooks = group.get("hooks") if isinstance(group, dict) else None
    return (
        bool(hooks)
        and isinstance(hooks, list)
        and all(isinstance(hook, dict) and str(hook.get("command", "")).startswith((CAPTURE, CHECK)) for hook in hooks)
    )


def _command_file(path: Path, *, undo: bool) -> bool:
    """Write or remove the slash command; one that somebody wrote or changed is theirs. True if it was done."""
    try:
        found = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        found = None
    except (OSError, UnicodeDecodeError):
        return False
    if undo and found == UPDATE_COMMAND:
        path.unlink()
        if not any(path.parent.iterdir()):
            path.parent.rmdir()
        return True
    if not undo and found is None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(UPDATE_COMMAND, encoding="utf-8")
        return True
    return False


def _write(path: Path, settings: dict[str, Any]) -> None:
    """In one step; a file that would hold nothing is removed."""
    if not settings:
        path.unlink(missing_ok=True)
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".settings.json.{os.getpid()}")
    temporary.write_text(json.dumps(settings, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    temporary.replace(path)


def _read(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except ValueError as exc:
        raise BadInput(
            f"{path} is not JSON: {exc}", hint="It was left alone; correct it, then run this again."
        ) from exc
    if not isinstance(found, dict):
        raise BadInput(f"{path} holds no JSON object", hint="It was left alone.")
    return found
