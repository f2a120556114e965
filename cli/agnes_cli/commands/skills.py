from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click

from agnes_cli import shown
from agnes_cli.failures import BadInput
from agnes_cli.options import JSON

_FIELD = re.compile(r"^(name|description):\s*(.*)$", re.MULTILINE)
MOST_CHARACTERS = 1_000_000


@click.group(epilog="\b\nExample:\n  agnes skills show finops:forecast")
def command() -> None:
    """The skills of your stack, as `agnes refresh-marketplace` brought them here."""


@command.command("list")
@JSON
def list_(as_json: bool) -> None:
    """List them, as Claude Code names them."""
    found = [{"skill": name, "description": _field(path, "description"), "path": str(path)} for name, path in _skills()]
    if as_json:
        shown.as_json(found)
        return
    none = "No skills are here. `agnes refresh-marketplace --bootstrap` brings your stack."
    shown.table({"SKILL": "skill", "DESCRIPTION": "description"}, found, none=none)


@command.command()
@click.argument("skill")
def show(skill: str) -> None:
    """Print the text of SKILL: PLUGIN:SKILL, or SKILL where only one has this name."""
    found = [(name, path) for name, path in _skills() if skill in (name, name.partition(":")[2])]
    if len(found) != 1:
        problem = f"{len(found)} skills are called {skill}" if found else f"there is no skill {skill} here"
        raise BadInput(problem, hint="`agnes skills list` shows them.")
    text = found[0][1].read_text(encoding="utf-8", errors="replace")[:MOST_CHARACTERS]
    click.echo("\n".join(shown.plain(line) for line in text.splitlines()))


def _skills() -> Iterator[tuple[str, Path]]:
    from agnes_cli.marketplace_copy import CATALOG, MarketplaceCopy, read_json

    copy = MarketplaceCopy()
    catalog: Any = read_json(copy.folder / CATALOG)
    for plugin in catalog.get("plugins", ()) if isinstance(catalog, dict) else ():
        source = str(plugin.get("source") or "")
        root = (copy.folder / source).resolve()
        if not source.startswith("./") or not root.is_relative_to(copy.folder.resolve()):
            continue
        for file in sorted(root.glob("skills/*/SKILL.md")):
            yield f"{plugin.get('name')}:{file.parent.name}", file


def _field(path: Path, wanted: str) -> str:
    """Of the front matter."""
    head = path.read_text(encoding="utf-8", errors="replace")[:20_000].partition("\n---")[0]
    return next((value.strip("\"' ") for name, value in _FIELD.findall(head) if name == wanted), "")
