from __future__ import annotations

import click

from agnes_cli import shown
from agnes_cli.options import JSON

COLUMNS = {
    "ID": "id", "TITLE": "title", "STATUS": "label", "DOMAIN": "domain", "CONFIDENCE": "confidence", "VOTES": "votes", "UPDATED": "updated_at",
}  # fmt: skip


@click.command()
@click.argument("words", nargs=-1)
@click.option("--domain")
@click.option("--category")
@click.option("--tag")
@click.option("--mine", is_flag=True, help="Only what you proposed or said yourself, in every state.")
@click.option(
    "--status", help="States, with commas: pending, approved, mandatory, rejected, revoked, expired, superseded."
)
@click.option(
    "--sort",
    type=click.Choice(["relevance", "updated", "created", "confidence", "votes", "title"]),
    default="relevance",
)
@click.option("--limit", type=click.IntRange(1, 200), default=20, show_default=True)
@JSON
def command(
    *,
    words: tuple[str, ...],
    domain: str | None,
    category: str | None,
    tag: str | None,
    mine: bool,
    status: str | None,
    sort: str,
    limit: int,
    as_json: bool,
) -> None:
    """Search by WORDS, the best first; without any, what changed last. A typo a word does not matter."""
    from agnes_cli.server import connect

    asked = {"q": " ".join(words), "domain": domain, "category": category, "tag": tag, "status": status, "sort": sort}
    with connect() as server:
        found = server.get("/api/knowledge", limit=limit, mine="true" if mine else None, **asked)
    if as_json:
        shown.as_json(found)
        return
    rows = [one | {"votes": one["upvotes"] - one["downvotes"]} for one in found["items"]]
    shown.table(COLUMNS, rows, none="No item is like that.")
