from __future__ import annotations

import click


@click.command()
@click.argument("item")
@click.option("--back", is_flag=True, help="Load it again.")
def command(item: str, back: bool) -> None:
    """Keep ITEM out of your own sessions from the next pull on. Mandatory items cannot be dismissed."""
    from agnes_cli.server import connect, route

    path = route("api", "knowledge", item, "dismiss")
    with connect() as server:
        if back:
            server.delete(path)
        else:
            server.post(path)
    click.echo("Your sessions load it again." if back else "Your sessions no longer load it.")
