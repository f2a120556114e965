from __future__ import annotations

import sys

import click

from agnes_cli import shown
from agnes_cli.options import JSON


@click.command()
@click.argument("title")
@click.argument("content")
@click.option("--domain")
@click.option("--category")
@click.option("--tag", "tags", multiple=True, help="May be repeated.")
@JSON
def command(
    title: str, content: str, *, domain: str | None, category: str | None, tags: tuple[str, ...], as_json: bool
) -> None:
    """Propose a fact: TITLE and CONTENT, or `-` to read the content from standard input. An admin reviews it."""
    from agnes_cli.server import connect

    body = {"title": title, "content": sys.stdin.read() if content == "-" else content, "tags": list(tags)}
    given = {"domain": domain or "", "category": category or ""}
    with connect() as server:
        done = server.post("/api/knowledge", {**body, **given})
    if as_json:
        shown.as_json(done)
    elif done["is_new"]:
        click.echo(f"{done['item_id']} waits for a review.")
    else:
        click.echo(f"There is such an item, {done['item_id']}; it has your support.")
