from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import click

from agnes_cli.failures import BadInput
from agnes_cli.workspace import Workspace

CAPTURE = "agnes capture-session"
HOOKS = {"SessionStart": f"{CAPTURE} || true", "SessionEnd": f"{CAPTURE} --push || true"}
TIMEOUT_SECONDS = 15
"""Without one of its own a SessionEnd hook is killed after about 1.5 s (docs/claude-code-client.md)."""


@click.command()
@click.option(
    "--workspace", type=click.Path(path_type=Path, file_okay=False), help="The current directory if not given."
)
def command(workspace: Path | None) -> None:
    """Prepare a workspace: its Claude Code sessions are captured, and sent when they end.

    Other settings and hooks in .claude/settings.json stay as they are.
    """
    path = Workspace(workspace and workspace.absolute()).folder / "settings.json"
    settings = _read(path)
    if not install(settings):
        click.echo(f"{path} has the hooks already.", err=True)
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".settings.json.{os.getpid()}")
    temporary.write_text(json.dumps(settings, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    temporary.replace(path)
    click.echo(f"Hooks are in {path}.", err=True)


def install(settings: dict[str, Any]) -> bool:
    """Put our hooks into `settings`, in place of earlier ones of ours; False if they are there as they should be."""
    before = json.dumps(settings)
    hooks = settings.setdefault("hooks", {})
    if not isinstance(hooks, dict):
        raise BadInput("`hooks` in .claude/settings.json is no object", hint="Correct the file, then run this again.")
    for event, wanted in HOOKS.items():
        groups = hooks.setdefault(event, [])
        if not isinstance(groups, list):
            raise BadInput(f"`hooks.{event}` in .claude/settings.json is no list", hint="Correct the file first.")
        others = [group for group in groups if not _ours(group)]
        hook = {"type": "command", "command": wanted, "timeout": TIMEOUT_SECONDS}
        hooks[event] = [{"hooks": [hook]}, *others]
    return json.dumps(settings) != before


def _ours(group: Any) -> bool:
    """Wholly ours: a group that also holds somebody else's hook is left alone."""
    hooks = group.get("hooks") if isinstance(group, dict) else None
    return (
        bool(hooks)
        and isinstance(hooks, list)
        and all(isinstance(hook, dict) and str(hook.get("command", "")).startswith(CAPTURE) for hook in hooks)
    )


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
