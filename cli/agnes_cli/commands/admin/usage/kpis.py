from __future__ import annotations

from typing import Any

import click

from agnes_cli import shown, spending
from agnes_cli.commands.admin.usage.query import EVENTS
from agnes_cli.options import JSON

USAGE_KPIS = "/api/admin/usage/kpis"


@click.command()
@click.option("--since", default="7d", show_default=True, help="30m, 24h, 7d: a year at most.")
@click.option("--user", "username", help="An account's id or e-mail address.")
@click.option("--tool", "tool_name")
@click.option("--source", type=click.Choice(["curated", "flea", "builtin"]))
@click.option("--event-type", type=click.Choice(EVENTS))
@click.option("--errors", "only_errors", is_flag=True, help="Only what failed.")
@click.option("--text", "q", help="Part of a tool's, skill's, agent's or command's name.")
@JSON
def command(since: str, only_errors: bool, as_json: bool, **wish: Any) -> None:
    """Sum up the events that pass the filters: calls, errors, people, tokens by kind, cost."""
    from agnes_cli.server import connect

    with connect() as server:
        found = server.get(
            USAGE_KPIS, since_minutes=spending.minutes(since), only_errors="true" if only_errors else None, **wish
        )
    if as_json:
        shown.as_json(found)
        return
    shown.facts(
        {
            "Calls": spending.count(found["invocations"]),
            "Errors": spending.rated(found["errors"], found["error_rate"], "calls"),
            "People": spending.count(found["distinct_users"]),
            "Sessions": spending.count(found["distinct_sessions"]),
            "Tools": spending.count(found["distinct_tools"]),
            "Prompts": spending.count(found["prompts"]),
            "Responses": spending.count(found["responses"]),
            **spending.tokens(found, found["tokens"]),
            "Cost": spending.cost(found),
        }
    )
    if found["unpriced_models"]:
        click.echo(spending.unpriced_models([shown.plain(model) for model in found["unpriced_models"]]), err=True)
