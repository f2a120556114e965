from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from agnes_cli import shown
from agnes_cli.options import JSON

FILE = click.Path(exists=True, path_type=Path)


@click.command()
@click.argument("source", type=FILE)
@click.option(
    "--type", "kind", type=click.Choice(["skill", "agent", "plugin"]), help="What it is; found out if not given."
)
@click.option("--name", help="What it is called; its own name if not given.")
@click.option("--description", help="When to use it; its own description if not given.")
@click.option("--category", help="Such as 'Data & Analytics'; Other if not given.")
@click.option("--video", help="The https address of a demo video.")
@click.option("--photo", type=FILE, help="A PNG, JPEG or WebP picture.")
@click.option("--doc", "docs", type=FILE, multiple=True, help="A PDF, Markdown or text file; may be repeated.")
@click.option("--audience", type=click.Choice(["everyone", "groups", "private"]), default="everyone", show_default=True)
@click.option("--group", "groups", multiple=True, help="Id of a group, for --audience groups; may be repeated.")
@click.option("--preview", is_flag=True, help="Only show what would be shared.")
@JSON
def command(
    source: Path,
    *,
    kind: str | None,
    video: str | None,
    photo: Path | None,
    docs: tuple[Path, ...],
    audience: str,
    groups: tuple[str, ...],
    preview: bool,
    as_json: bool,
    **about: str | None,
) -> None:
    """Share SOURCE: a folder such as ~/.claude/skills/x, a zip, a .skill file, a SKILL.md or an agent's file."""
    from agnes_cli import sharing
    from agnes_cli.server import connect

    fields: dict[str, str | list[str]] = {name: value for name, value in about.items() if value is not None}
    fields |= {"type": kind} if kind else {}
    fields |= {"video_url": video} if video else {}
    if not preview:
        fields |= {"audience": audience, **({"audience_groups": list(groups)} if groups else {})}
    with connect() as server:
        if preview:
            found = sharing.send(server, "POST", f"{sharing.ENTITIES}/preview", source, fields)
        else:
            found = sharing.send(server, "POST", sharing.ENTITIES, source, fields, photo=photo, docs=docs)
    if as_json:
        shown.as_json(found)
    elif preview:
        _show_preview(found)
    else:
        click.echo(f"{found['invocation_name']} is shared; `agnes store mine` says when it was reviewed.")


def _show_preview(found: dict[str, Any]) -> None:
    shown.facts(
        {
            "Type": found["type"],
            "Name": found["served_name"],
            "Description": found["description"],
            "Files": len(found["files"]),
            "Then": {"review": "a review", "hold": "an admin looks at it", "blocked": "it is blocked"}[
                found["outcome"]
            ],
            "Because": found["outcome_reason"],
            "Correct": found["problems"],
        }
    )
    for group, lines in found["capabilities"].items():
        for line in lines:
            click.echo(f"{group}  {shown.plain(line)}")
    for finding in found["findings"]:
        click.echo(
            f"{finding['severity']}  {shown.plain(finding['path'])}:{finding['line']}  {shown.plain(finding['message'])}"
        )
