from __future__ import annotations

from typing import Any

import click

from agnes_cli import shown, spending
from agnes_cli.options import JSON

USAGE_QUERY = "/api/admin/usage/query"
ROWS = {
    "TIME": "occurred_at",
    "PERSON": "username",
    "EVENT": "event_type",
    "TOOL": "tool_name",
    "ITEM": "item",
    "SOURCE": "source",
    "ERROR": "is_error",
}
GROUPS = {
    "CALLS": "invocations",
    "PEOPLE": "distinct_users",
    "SESSIONS": "distinct_sessions",
    "ERRORS": "errors",
    "TOKENS": "tokens",
    "COST": "cost",
}
EVENTS = ["tool_use", "subagent", "mcp_call", "slash_command", "prompt", "message", "iteration"]


@click.command()
@click.option("--since", default="7d", show_default=True, help="30m, 24h, 7d: a year at most.")
@click.option("--user", "username", help="An account's id or e-mail address.")
@click.option("--tool", "tool_name")
@click.option("--source", type=click.Choice(["curated", "flea", "builtin"]))
@click.option("--event-type", type=click.Choice(EVENTS))
@click.option("--errors", "only_errors", is_flag=True, help="Only what failed.")
@click.option("--text", "q", help="Part of a tool's, skill's, agent's or command's name.")
@click.option("--group-by", type=click.Choice(["day", "username", "tool_name", "source", "ref_id", "model", "item"]))
@click.option("--sort", metavar="COLUMN:asc|desc")
@click.option("--limit", type=click.IntRange(1, 500), default=100, show_default=True)
@click.option("--offset", type=click.IntRange(0, 50_000), default=0)
@JSON
def command(since: str, only_errors: bool, as_json: bool, **wish: Any) -> None:
    """List calls, or count them in groups."""
    from agnes_cli.server import connect

    with connect() as server:
        found = server.get(
            USAGE_QUERY, since_minutes=spending.minutes(since), only_errors="true" if only_errors else None, **wish
        )
    if as_json:
        shown.as_json(found)
        return
    if wish["group_by"]:
        rows = [row | {"tokens": spending.count(row["tokens"]), "cost": spending.cost(row)} for row in found["rows"]]
        columns = {wish["group_by"].upper(): "bucket", **GROUPS}
    else:
        rows = [row | {"item": _item(row)} for row in found["rows"]]
        columns = ROWS
    shown.table(columns, rows, none="Nothing matches.")
    if found["next_offset"] is not None:
        click.echo(f"{found['total']} in all; `--offset {found['next_offset']}` goes on.", err=True)


def _item(row: dict[str, Any]) -> str:
    own = row["item_name"] or row["skill_name"] or row["subagent_type"] or row["command_name"] or ""
    return f"{row['ref_id']}:{own}" if row["ref_id"] and row["item_name"] else own
