from __future__ import annotations

from typing import Any

import click

from agnes_cli import shown
from agnes_cli.options import JSON

COLUMNS = {
    "ID": "id",
    "VERSION": "version",
    "CATEGORY": "category",
    "USERS 30D": "distinct_users_30d",
    "CALLS 30D": "invocations_30d",
    "STACK": "state",
    "DESCRIPTION": "description",
}


@click.command()
@click.argument("words", nargs=-1)
@click.option("--tab", type=click.Choice(["curated", "flea", "my"]), default="curated", help="Which part to search.")
@click.option("--category", help="Only this category.")
@click.option("--type", "kind", type=click.Choice(["plugin", "skill", "agent"]), help="Only this kind.")
@click.option(
    "--sort",
    type=click.Choice(["relevance", "recent", "most_used", "most_adopted", "trending"]),
    help="Without it, what fits WORDS best, else what is newest, comes first.",
)
@click.option("--page", type=click.IntRange(min=1), default=1)
@click.option("--page-size", type=click.IntRange(1, 100), default=24)
@JSON
def command(
    *,
    words: tuple[str, ...],
    tab: str,
    category: str | None,
    kind: str | None,
    sort: str | None,
    page: int,
    page_size: int,
    as_json: bool,
) -> None:
    """List the plugins that you may have; with WORDS, those that they fit."""
    from agnes_cli.server import connect

    query = {"q": " ".join(words) or None, "tab": tab, "category": category, "type": kind, "sort": sort}
    with connect() as server:
        found = server.get("/api/marketplace/items", **query, page=page, page_size=page_size)
    if as_json:
        shown.as_json(found)
        return
    shown.table(COLUMNS, [item | {"state": _state(item)} for item in found["items"]], none="Nothing was found.")
    first = (page - 1) * page_size
    if found["total"] > first + len(found["items"]) and found["items"]:
        last = first + len(found["items"])
        click.echo(f"{first + 1} to {last} of {found['total']}; --page {page + 1} shows more.", err=True)


def _state(item: dict[str, Any]) -> str:
    if item["hidden_reason"]:
        return "added, not served"
    return "required" if item["is_system"] or item["required"] else "added" if item["installed"] else ""
