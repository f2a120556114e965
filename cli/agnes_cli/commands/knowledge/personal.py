from __future__ import annotations

import click


@click.command()
@click.argument("item")
@click.option("--share", is_flag=True, help="Share it again.")
def command(item: str, share: bool) -> None:
    """Keep ITEM, one of yours that is not distributed, to yourself."""
    from agnes_cli.server import connect, route

    with connect() as server:
        server.post(route("api", "knowledge", item, "personal"), {"personal": not share})
    click.echo("It waits for a review." if share else "Only you see it now.")
