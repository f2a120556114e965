from __future__ import annotations

import json

import click

from agnes_cli import config, storing
from agnes_cli.options import JSON


@click.command()
@click.option("--storage", is_flag=True, help="Also how much of your transcripts is stored, and how much may be.")
@JSON
def command(storage: bool, as_json: bool) -> None:
    """Show which account of which server this computer is signed in to."""
    from agnes_cli.server import Server

    url = config.get_server()
    with Server(url, config.get_credential().token) as server:
        me = server.get("/api/me")
        held = server.get("/api/me/storage") if storage else None
    if as_json:
        click.echo(json.dumps({**me, "server": url, **({"storage": held} if held else {})}, indent=2))
        return
    click.echo(f"{me['email']} at {url}")
    if held is not None:
        row = storing.row({"user_email": me["email"], "storage": held})
        click.echo(f"Stored: {row['stored']}, {row['sessions']} sessions")
        click.echo(f"Today (UTC): {row['today']}, {row['sessions_today']} sessions")
