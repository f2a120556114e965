from __future__ import annotations

import click


@click.command()
@click.argument("item")
@click.argument("value", type=click.Choice(["up", "down", "none"]))
def command(item: str, value: str) -> None:
    """Say that ITEM helps (up) or does not (down), or take that back (none)."""
    from agnes_cli.server import connect, route

    with connect() as server:
        done = server.post(route("api", "knowledge", item, "vote"), {"vote": {"up": 1, "down": -1, "none": 0}[value]})
    click.echo(f"{done['upvotes']} up, {done['downvotes']} down.")
