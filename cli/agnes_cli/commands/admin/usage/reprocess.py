from __future__ import annotations

import click

from agnes_cli import shown
from agnes_cli.options import JSON


@click.command()
@click.option("--yes", is_flag=True, help="Do not ask.")
@JSON
def command(yes: bool, as_json: bool) -> None:
    """Extract every session again in the background; figures are never empty meanwhile."""
    from agnes_cli.server import connect

    if not yes:
        click.confirm("Extract every session again?", abort=True, err=True)
    with connect() as server:
        done = server.post("/api/admin/usage/reprocess")
    if as_json:
        shown.as_json(done)
    else:
        click.echo(f"{done['sessions']} sessions will be extracted again. `agnes admin run` shows the runs.")
