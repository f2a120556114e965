from __future__ import annotations

import click

from agnes_cli import shown, spending
from agnes_cli.options import JSON

USAGE_COST = "/api/admin/usage/cost"
COLUMNS = {"INPUT": "input_tokens", "OUTPUT": "output_tokens", "CACHE READ": "cache_read_tokens"}
WRITES = {"CACHE WRITE 5M": "writes_5m", "CACHE WRITE 1H": "cache_creation_1h_tokens", "SEARCHES": "web_searches"}
ITEMS = ("plugin", "skill", "agent", "command")
DAY = click.DateTime(["%Y-%m-%d"])


@click.command()
@click.option(
    "--by",
    type=click.Choice(["plugin", "skill", "agent", "command", "model", "user", "day"]),
    default="plugin",
    show_default=True,
)
@click.option("--since", type=DAY, help="The first day (UTC); 30 days ago if not given.")
@click.option("--until", type=DAY, help="The last day (UTC), included; today if not given.")
@JSON
def command(by: str, since: object, until: object, as_json: bool) -> None:
    """List tokens and what they cost at the prices that were in force on each day."""
    from agnes_cli.server import connect

    days = {name: f"{day:%Y-%m-%d}" for name, day in (("since", since), ("until", until)) if day is not None}
    with connect() as server:
        found = server.get(USAGE_COST, by=by, **days)
    if as_json:
        shown.as_json(found)
        return
    rows = [
        {
            "bucket": row["bucket"],
            "of": "/".join(part for part in (row["marketplace_id"], row["plugin"]) if part),
            "cost": spending.cost(row),
            **{part: spending.cost(spending.part(row, part)) for part in ("own", "carried")},
            **{name: spending.count(row[name]) for name in COLUMNS.values()},
            "writes_5m": spending.count(row["cache_creation_tokens"] - row["cache_creation_1h_tokens"]),
            **{name: spending.count(row[name]) for name in ("cache_creation_1h_tokens", "web_searches")},
        }
        for row in found["rows"]
    ]
    columns = {**COLUMNS, **WRITES, **({"OWN": "own", "CARRIED": "carried"} if by in ITEMS else {}), "COST": "cost"}
    of = {"OF": "of"} if any(row["of"] for row in rows) else {}
    shown.table({by.upper(): "bucket", **of, **columns}, rows, none="No tokens were taken.")
    if rows:
        total = found["total"]
        span = f"{found['since']} to {found['until']}"
        click.echo(f"{spending.count(total['tokens'])} tokens, {spending.cost(total) or '$0.00'}, {span}.", err=True)
        if by in ITEMS:
            click.echo(
                "OWN is what was spent while it worked itself, CARRIED what came later in the turn under its stamp. Own costs add up; "
                "a subagent's are its plugin's own, and carried by the skill that started it.",
                err=True,
            )
    if found["unpriced_models"]:
        click.echo(spending.unpriced_models([shown.plain(model) for model in found["unpriced_models"]]), err=True)
