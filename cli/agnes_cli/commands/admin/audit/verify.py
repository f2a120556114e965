from __future__ import annotations

import sys
from typing import Any

import click

from agnes_cli import shown
from agnes_cli.commands.admin.run import run_job
from agnes_cli.failures import BadInput
from agnes_cli.options import JSON

JOB = "audit.verify"
COLUMNS = {"CHAIN": "chain", "LINES": "lines", "LAST": "seq", "DIGEST OF THE LAST LINE": "digest"}


@click.command()
@click.option(
    "--wait",
    "wait_seconds",
    type=click.IntRange(0, 3600),
    default=900,
    show_default=True,
    help="Seconds to wait for the end.",
)
@JSON
def command(wait_seconds: int, as_json: bool) -> None:
    """Follow the audit's chains from the first line to the last: has a line been changed, removed or put in between?

    Note the last digests somewhere else: with them nobody can shorten a chain unseen. The exit status is 1 if the audit is not
    what was written.
    """
    from agnes_cli.server import connect

    with connect() as server:
        answer = run_job(server, JOB, dry_run=False, wait_seconds=wait_seconds)
    if answer["status"] == "pending":
        raise BadInput(
            f"the check has not ended after {wait_seconds} s",
            hint=f"`agnes admin run` shows when it has; its id is {answer['run_id']}.",
        )
    if as_json:
        shown.as_json(answer)
    elif answer["status"] == "done":
        _show(answer["report"])
    else:
        click.echo(f"The audit could not be verified: {answer['error']}")
    if answer["status"] != "done":
        sys.exit(1)


def _show(report: dict[str, Any]) -> None:
    click.echo(f"{report['lines']} lines of the audit are what was written.")
    shown.table(COLUMNS, [{"chain": name, **chain} for name, chain in report["chains"].items()], none="There are none.")
    for count, what in (
        (report["waiting"], "are not archived yet, and in no chain until then"),
        (report["without_digest"], "were written before there were chains"),
    ):
        if count:
            click.echo(f"{count} lines {what}.")
    for name, seq in report["pruned_through"].items():
        click.echo(f"{name} begins behind line {seq}: earlier ones were removed because of their age.")
