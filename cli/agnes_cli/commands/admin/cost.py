from __future__ import annotations

import click

from agnes_cli import shown
from agnes_cli.options import JSON

COST = "/api/admin/cost"
COLUMNS = {
    "FEATURE": "label",
    "REQUESTS": "requests",
    "RUNS": "runs",
    "SECONDS": "seconds",
    "READS": "gets",
    "WRITES": "writes",
    "COST": "cost",
}


@click.command()
@click.option(
    "--days",
    type=click.IntRange(1, 60),
    default=30,
    show_default=True,
    help="Days back from today (UTC), today included.",
)
@JSON
def command(days: int, as_json: bool) -> None:
    """List what hosting this installation costs on AWS, by feature, from the requests that it served."""
    from agnes_cli.server import connect

    with connect() as server:
        found = server.get(COST, days=days)
    if as_json:
        shown.as_json(found)
        return
    rows = [
        part
        | {
            "requests": f"{part['requests']:,}",
            "runs": f"{part['runs']:,}",
            "seconds": f"{part['seconds']:,.1f}",
            "gets": f"{part['gets']:,}",
            "writes": f"{part['puts'] + part['lists']:,}",
            "cost": _usd(part["usd"]),
        }
        for part in found["features"]
    ]
    shown.table(COLUMNS, rows, none="No request was counted in these days.")
    if rows:
        kind = "HTTP API" if found["api"] == "http" else "REST API"
        would = "would cost" if found["is_estimate"] else "cost"
        span = f"{found['first']} to {found['until']}"
        click.echo(
            f"{span} {would} {_usd(found['usd'])}, a month like it {_usd(found['usd_month'])} with fixed costs.",
            err=True,
        )
        note = "An estimate: this installation does not run on AWS. " if found["is_estimate"] else ""
        click.echo(
            f"{note}AWS list prices of {found['prices_of']}, {found['region']}, {kind}, {found['architecture']}.",
            err=True,
        )


def _usd(value: float) -> str:
    return f"${value:,.2f}" if value >= 0.1 else f"${value:.4f}"
