from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click

from agnes_cli import saving
from agnes_cli.failures import BadInput

USAGE_EXPORT = "/api/admin/usage/export"
EVENTS = ["tool_use", "subagent", "mcp_call", "slash_command", "prompt", "message"]


@click.command()
@click.option("--format", "kind", type=click.Choice(["csv", "json", "parquet"]), default="csv", show_default=True)
@click.option("--since", help="Included: 7d, 24h, 30m, a day or a time (UTC).")
@click.option("--until", help="Not included.")
@click.option("--user", "user_id", help="An account's id or e-mail address.")
@click.option("--source", type=click.Choice(["curated", "flea", "builtin"]))
@click.option("--event-type", type=click.Choice(EVENTS))
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), help="A file; standard output if not given.")
def command(kind: str, out: Path | None, **wish: Any) -> None:
    """Download usage events."""
    from agnes_cli.server import connect

    if out is None and kind == "parquet" and sys.stdout.isatty():
        raise BadInput("parquet is nothing for a terminal", hint="Give a file with --out.")
    if out is not None:
        saving.require_place(out, replace=True)
    with connect() as server, server.download(USAGE_EXPORT, format=kind, **wish) as pieces:
        if out is None:
            saving.to_standard_output(pieces)
        else:
            click.echo(f"{out}: {saving.save(pieces, out, replace=True):,} bytes.", err=True)
