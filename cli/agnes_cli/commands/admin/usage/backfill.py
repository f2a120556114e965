from __future__ import annotations

import click

from agnes_cli import shown
from agnes_cli.options import JSON


@click.command()
@JSON
def command(as_json: bool) -> None:
    """Make the rollups of all days anew from their events, in the background; doing it twice changes nothing."""
    from agnes_cli.server import connect

    with connect() as server:
        done = server.post("/api/admin/usage/backfill")
    if as_json:
        shown.as_json(done)
    elif done["oldest"] is None:
        click.echo("No day has events: there is nothing to make anew.")
    else:
        days = f"{done['days']} day{'' if done['days'] == 1 else 's'}"
        click.echo(f"The rollups of {days}, from {shown.plain(done['oldest'])} on, will be made anew.")
