from __future__ import annotations

import click


@click.command()
@click.argument("item")
@click.argument("reason")
def command(item: str, reason: str) -> None:
    """Report that ITEM is wrong, and why. Admins are told."""
    from agnes_cli.server import connect, route

    with connect() as server:
        server.post(route("api", "knowledge", item, "report"), {"reason": reason})
    click.echo("Reported: an admin looks at it.")
