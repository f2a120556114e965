from __future__ import annotations

from datetime import datetime
from typing import Any

import click

from agnes_cli import shown
from agnes_cli.options import JSON

PRICES = "/api/admin/usage/prices"
COLUMNS = {
    "MODEL": "model",
    "FROM": "valid_from",
    "INPUT": "input",
    "OUTPUT": "output",
    "CACHE READ": "cache_read",
    "CACHE WRITE 5M": "cache_write",
    "CACHE WRITE 1H": "cache_write_1h",
    "SEARCHES": "web_search",
    "FOR": "for",
    "SET BY": "set_by",
}


class Dollars(click.FloatRange):
    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        found: float = super().convert(value, param, ctx)
        if found != found:  # noqa: PLR0124 (nan is in any range)
            self.fail(f"{value!r} is no number", param, ctx)
        return found


DOLLARS = Dollars(0, 100_000)
FROM = click.option(
    "--from", "valid_from", type=click.DateTime(["%Y-%m-%d"]), required=True, help="The first day (UTC) it holds."
)


@click.group(invoke_without_command=True)
@JSON
@click.pass_context
def command(ctx: click.Context, as_json: bool) -> None:
    """List what models cost, in US dollars a million tokens; change it with set and remove."""
    from agnes_cli.server import connect

    if ctx.invoked_subcommand is not None:
        return
    with connect() as server:
        found = server.get(PRICES)
    if as_json:
        shown.as_json(found)
        return
    rows = [{**row, "for": _condition(row)} for row in found]
    shown.table(COLUMNS, rows, none="No model has a price.")
    if found:
        click.echo(
            "US dollars a million tokens, and 1,000 web searches, from that day (UTC) on. A price that you set counts before the list's.",
            err=True,
        )


def _condition(row: dict[str, Any]) -> str:
    """What the price of a row is for: fast mode, long prompts."""
    words = [row["speed"]] if row["speed"] != "standard" else []
    return ", ".join([*words, *([f"prompts over {row['above_tokens']:,}"] if row["above_tokens"] else [])])


@command.command("set")
@click.argument("model")
@FROM
@click.option("--input", type=DOLLARS, required=True)
@click.option("--output", type=DOLLARS, required=True)
@click.option("--cache-read", type=DOLLARS, required=True)
@click.option("--cache-write", type=DOLLARS, required=True, help="Cache writes that are kept for 5 minutes.")
@click.option("--cache-write-1h", type=DOLLARS, help="Those kept for an hour; twice the price of input if not given.")
@click.option("--web-search", type=DOLLARS, help="1,000 web searches; 10 if not given.")
@JSON
def set_(model: str, valid_from: datetime, as_json: bool, **dollars: float | None) -> None:
    """Set what MODEL costs from a day on: a model's id, or its beginning and a *."""
    from agnes_cli.server import connect

    wish: dict[str, Any] = {"model": model, "valid_from": f"{valid_from:%Y-%m-%d}"}
    wish |= {name: amount for name, amount in dollars.items() if amount is not None}
    with connect() as server:
        made = server.put(PRICES, wish)
    shown.as_json(made) if as_json else click.echo(f"{made['model']} has this price from {made['valid_from']} on.")


@command.command()
@click.argument("model")
@FROM
def remove(model: str, valid_from: datetime) -> None:
    """Take away the price that MODEL has from a day on."""
    from agnes_cli.server import connect

    day = f"{valid_from:%Y-%m-%d}"
    with connect() as server:
        server.delete(PRICES, model=model, valid_from=day)
    click.echo(f"The price of {model} from {day} on is removed.")
