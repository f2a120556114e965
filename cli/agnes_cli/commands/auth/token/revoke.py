from __future__ import annotations

import click

from agnes_cli.failures import BadInput


@click.command()
@click.argument("token")
def command(token: str) -> None:
    """Revoke one of your access tokens: TOKEN is its id, its name or its first characters."""
    from agnes_cli.server import connect, route

    with connect() as server:
        live = [held for held in server.get("/auth/tokens") if not held.get("revoked_at")]
        found = [held for held in live if token in (held["id"], held["name"], held["prefix"])]
        if not found:
            raise BadInput("you have no such token", hint="`agnes auth token list` shows their ids.")
        if len(found) > 1:
            raise BadInput(f"{len(found)} tokens match", hint="Give the id: `agnes auth token list` shows them.")
        server.delete(route("auth", "tokens", found[0]["id"]))
    click.echo(f"{found[0]['name']} is revoked. It stops working at once.", err=True)
