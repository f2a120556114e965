from __future__ import annotations

import click

from agnes_cli import shown
from agnes_cli.options import JSON


@click.command()
@JSON
def command(as_json: bool) -> None:
    """Bring this workspace's knowledge up to date: the files .claude/rules/km_*.md, which Claude Code loads with every session.

    A line `<!-- agnes: domains=finance, data -->` in CLAUDE.md keeps it to these domains and what is mandatory.
    """
    from agnes_cli import knowledge_files
    from agnes_cli.server import connect
    from agnes_cli.workspace import Workspace

    with connect() as server:
        done = knowledge_files.pull(server, Workspace().root)
    if as_json:
        shown.as_json(done.as_json())
        return
    click.echo(
        f"{done.mandatory} mandatory and {done.approved} approved items, about {done.tokens} of {done.budget} tokens: "
        f"{len(done.written)} files written, {len(done.removed)} removed."
    )
    if done.left_out:
        click.echo(f"{done.left_out} approved items are left out: `agnes knowledge search` finds them.")
    for warning in done.warnings:
        click.echo(f"Warning: {shown.plain(warning)}", err=True)
