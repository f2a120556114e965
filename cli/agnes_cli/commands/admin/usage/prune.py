from __future__ import annotations

import click

from agnes_cli import shown
from agnes_cli.options import JSON


@click.command()
@click.option("--dry-run", is_flag=True, help="Only say what would be forgotten.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@JSON
def command(dry_run: bool, yes: bool, as_json: bool) -> None:
    """Forget now the events and transcripts that their settings do not keep; figures stay."""
    from agnes_cli.server import connect

    if not (yes or dry_run):
        click.confirm("Forget the events and transcripts that the retention does not keep?", abort=True, err=True)
    with connect() as server:
        done = server.post(f"/api/admin/usage/prune{'?dry_run=true' if dry_run else ''}")
    if as_json:
        shown.as_json(done)
        return
    if done["status"] == "skipped":
        click.echo(f"Nothing is pruned: {shown.plain(done['reason'])}")
    else:
        click.echo(f"{done['deleted']} events are forgotten, {done['remaining']} stay ({done['retention_days']} days).")
    if dry_run:
        click.echo("That was a dry run: nothing has changed.")
    transcripts = done.get("transcripts")
    if transcripts and transcripts.get("status") != "skipped":
        click.echo(
            f"The transcripts of {transcripts['sessions']} sessions are removed "
            f"({transcripts['retention_days']} days); what was counted of them stays."
        )
