from __future__ import annotations

import click

from agnes_cli import shown


@click.command()
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.option("--json", "as_json", is_flag=True, help="Print the server's answer.")
def command(yes: bool, as_json: bool) -> None:
    """Forget now the events that USAGE_EVENTS_RETENTION_DAYS does not keep; figures stay."""
    from agnes_cli.server import connect

    if not yes:
        click.confirm("Forget the events that the retention does not keep?", abort=True, err=True)
    with connect() as server:
        done = server.post("/api/admin/usage/prune")
    if as_json:
        shown.as_json(done)
    elif done["status"] == "skipped":
        click.echo(f"Nothing is pruned: {shown.plain(done['reason'])}")
    else:
        click.echo(f"{done['deleted']} events are forgotten, {done['remaining']} stay ({done['retention_days']} days).")
