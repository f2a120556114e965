from __future__ import annotations

import click

from agnes_cli import shown, spending
from agnes_cli.options import JSON

USAGE_SUMMARY = "/api/admin/usage/summary"
TOOLS = {"TOOL": "tool_name", "SOURCE": "source", "CALLS": "invocations", "ERRORS": "errors", "PEOPLE": "people"}
PEOPLE = {"PERSON": "username", "CALLS": "invocations", "SESSIONS": "sessions", "TOKENS": "tokens", "COST": "cost"}
FAILING = {"TOOL": "tool_name", "CALLS": "invocations", "ERRORS": "errors", "RATE": "rate"}
MODELS = {"MODEL": "model", "RESPONSES": "responses", "TOKENS": "tokens", "COST": "cost"}


@click.command()
@click.option("--window", type=click.Choice(["7d", "30d", "90d", "all"]), default="7d", show_default=True)
@JSON
def command(window: str, as_json: bool) -> None:
    """Sum up a window: tools, people, models and what they cost."""
    from agnes_cli.server import connect

    with connect() as server:
        found = server.get(USAGE_SUMMARY, window=window)
    if as_json:
        shown.as_json(found)
        return
    totals = found["totals"]
    shown.facts(
        {
            "People": totals["people"],
            "People a day": found["dau_avg"],
            "Sessions": totals["sessions"],
            "Prompts": totals["prompts"],
            "Calls": totals["calls"],
            "Errors": totals["errors"],
            "Tokens": spending.count(totals["spent"]["tokens"]),
            "Cost": spending.cost(totals["spent"]),
        }
    )
    people = [p | {"tokens": spending.count(p["tokens"]), "cost": spending.cost(p)} for p in found["top_users"]]
    failing = [tool | {"rate": spending.percent(tool["error_rate"])} for tool in found["error_rate"]]
    models = [
        m | {"tokens": spending.count(m["spent"]["tokens"]), "cost": spending.cost(m["spent"])} for m in found["models"]
    ]
    for heading, columns, rows in (
        ("Tools", TOOLS, found["top_tools"]),
        ("Tools by error rate", FAILING, failing),
        ("People", PEOPLE, people),
        ("Models", MODELS, models),
    ):
        if rows:
            click.echo(f"\n{heading}")
            shown.table(columns, rows, none="")
    if totals["unpriced_models"]:
        click.echo(spending.unpriced_models([shown.plain(model) for model in totals["unpriced_models"]]), err=True)
