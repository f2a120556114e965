from __future__ import annotations

import json

import click

from agnes_cli import config


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print the server's answer.")
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
