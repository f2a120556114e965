from __future__ import annotations

import sys

import click

from agnes_cli import shown
from agnes_cli.failures import BadInput

JOBS = {
    "telemetry.extract": ("/api/admin/run-session-processor", {"processor": "usage"}),
    "marketplace.sync": ("/api/marketplaces/sync-all", {}),
}
"""Jobs of the schedules that have a route of their own."""


@click.command()
@click.argument("job", metavar="JOB")
@click.option("--json", "as_json", is_flag=True, help="Print the server's answer.")
def command(job: str, as_json: bool) -> None:
    """Run JOB now instead of when it is due: telemetry.extract or marketplace.sync."""
    from agnes_cli.server import connect

    if job not in JOBS:
        raise BadInput(f"{job} cannot be run from here", hint=f"One of: {', '.join(JOBS)}.")
    path, query = JOBS[job]
    with connect() as server:
        answer = server.post(path, **query)
    ok = answer.get("ok", True) and not answer.get("errors")
    if as_json:
        shown.as_json(answer)
    else:
        click.echo(f"{job} {'is done' if ok else 'was not done wholly'}.")
        details = answer.get("details", answer)
        shown.facts(details if isinstance(details, dict) else {"Report": details})
    if not ok:
        sys.exit(1)
