from __future__ import annotations

import click

from agnes_cli import shown
from agnes_cli.options import JSON

HISTORY = {"WHEN": "at", "WHAT": "event", "BY": "by", "REASON": "reason"}
EVIDENCE = {"KIND": "kind", "QUOTE": "quote", "BY": "email", "SEEN": "seen_at"}


@click.command()
@click.argument("item")
@JSON
def command(item: str, as_json: bool) -> None:
    """Describe ITEM (its id): text, state, history and, for admins and its authors, what it rests on."""
    from agnes_cli.server import connect, route

    with connect() as server:
        found = server.get(route("api", "knowledge", item))
    if as_json:
        shown.as_json(found)
        return
    about = found["item"]
    shown.facts(
        {
            "Title": about["title"],
            "Status": about["label"],
            "Because": about["reason"],
            "Domain": about["domain"],
            "Category": about["category"],
            "Tags": about["tags"],
            "Confidence": about["confidence"],
            "Votes": f"{about['upvotes']} up, {about['downvotes']} down",
            "Valid until": about["valid_until"],
            "Review by": about["review_at"],
            "Superseded by": about["superseded_by"],
            "Author": found["author"],
            "Decisions": found["allowed"],
        }
    )
    click.echo()
    for line in about["content"].splitlines():
        click.echo(shown.plain(line))
    click.echo()
    if found["evidence"]:
        shown.table(EVIDENCE, found["evidence"], none="")
        click.echo()
    shown.table(HISTORY, found["history"], none="Nothing happened to it yet.")
