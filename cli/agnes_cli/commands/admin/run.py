from __future__ import annotations

import sys
import time
from typing import Any

import click

from agnes_cli import shown
from agnes_cli.failures import BadInput
from agnes_cli.options import JSON

RUN = "/api/admin/run"
OF_THEIR_OWN: dict[str, tuple[str, dict[str, Any]]] = {
    "telemetry.extract": ("/api/admin/run-session-processor", {"processor": "usage"}),
    "telemetry.collect": ("/api/admin/run-session-collector", {}),
    "telemetry.backfill": ("/api/admin/usage/backfill", {}),
    "marketplace.sync": ("/api/marketplaces/sync-all", {}),
}
"""Jobs with a route of their own, which does the work and answers with what it did."""
WITHOUT_DRY_RUN = frozenset({"telemetry.backfill"})
COLUMNS = {
    "JOB": "name",
    "SCHEDULE": "schedule",
    "LAST RUN": "at",
    "OK": "ok",
    "TOOK": "seconds",
    "DUE": "next_due",
    "ERROR": "error",
}
LOOK_SECONDS = 1.0


@click.command()
@click.argument("job", metavar="[JOB]", required=False)
@click.option("--dry-run", is_flag=True, help="Only say what would be done.")
@click.option(
    "--wait",
    "wait_seconds",
    type=click.IntRange(0, 3600),
    default=300,
    show_default=True,
    help="Seconds to wait for the end.",
)
@JSON
def command(job: str | None, dry_run: bool, wait_seconds: int, as_json: bool) -> None:
    """Run JOB now instead of when it is due; without JOB, list the jobs with their schedules and last runs."""
    from agnes_cli.server import connect

    if job is None and dry_run:
        raise BadInput("say which job")
    if job in WITHOUT_DRY_RUN and dry_run:
        raise BadInput(
            f"{job} has no dry run", hint="It only makes anew what is there, and once more changes no figure."
        )
    with connect() as server:
        if job is None:
            _list(server.get(RUN), as_json=as_json)
            return
        if job in OF_THEIR_OWN and not dry_run:
            path, query = OF_THEIR_OWN[job]
            answer = server.post(path, **query)
            ok = answer.get("ok", True) and not answer.get("errors")
            report = answer.get("details", answer)
        else:
            answer = run_job(server, job, dry_run=dry_run, wait_seconds=wait_seconds)
            if answer["status"] == "pending":
                raise BadInput(
                    f"{job} has not ended after {wait_seconds} s",
                    hint=f"`agnes admin run` shows when it has; its id is {answer['run_id']}.",
                )
            ok, report = answer["status"] == "done", answer["report"] or answer["error"]
    if as_json:
        shown.as_json(answer)
    else:
        begun = isinstance(report, dict) and report.get("status") == "started"
        done = "has begun" if begun else "is done" if ok else "was not done wholly"
        click.echo(f"{job} {'would do this' if dry_run and ok else done}.")
        shown.facts(report if isinstance(report, dict) else {"Report": report})
    if not ok:
        sys.exit(1)


def run_job(server: Any, job: str, *, dry_run: bool, wait_seconds: int) -> dict[str, Any]:
    """Start it in the background and look until it has ended."""
    from agnes_cli.server import route

    path = route("api", "admin", "run", job)
    started = server.post(path, dry_run=str(dry_run).lower())
    until = time.monotonic() + wait_seconds
    while True:
        found: dict[str, Any] = server.get(path, run_id=started["run_id"])
        if found["status"] != "pending" or time.monotonic() >= until:
            return found
        time.sleep(LOOK_SECONDS)


def _list(jobs: list[dict[str, Any]], *, as_json: bool) -> None:
    if as_json:
        shown.as_json(jobs)
    else:
        shown.table(COLUMNS, [job | (job["last"] or {}) for job in jobs], none="There are no jobs.")
