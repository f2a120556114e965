from __future__ import annotations

import json

import click

from agnes_cli import config
from agnes_cli.options import JSON


@click.command()
@JSON
def command(as_json: bool) -> None:
    """Show which account of which server this computer is signed in to."""
    from agnes_cli.server import Server

    url = config.get_server()
    with Server(url, config.get_credential().token) as server:
        me = server.get("/api/me")
    if as_json:
        click.echo(json.dumps({**me, "server": url}, indent=2))
    else:
        click.echo(f"{me['email']} at {url}")
