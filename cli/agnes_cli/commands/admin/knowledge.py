from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from agnes_cli import saving, shown
from agnes_cli.options import JSON

ADMIN = "/api/admin/knowledge"
COLUMNS = {
    "ID": "id", "TITLE": "title", "STATUS": "label", "DOMAIN": "domain", "CONFIDENCE": "confidence", "PEOPLE": "verifiers",
    "REPORTS": "complaints", "CREATED": "created_at",
}  # fmt: skip
RELATIONS = {
    "KIND": "kind",
    "SEVERITY": "severity",
    "A": "a",
    "B": "b",
    "SUGGESTION": "suggestion",
    "WHY": "explanation",
}
FAILED = {"USER": "user_id", "SESSION": "session_id", "REASON": "reason", "WHEN": "changed_at"}
HELP = {
    "ID": "id", "TITLE": "title", "SESSIONS": "sessions", "ABOUT IT": "mentioned", "CORRECTED BEFORE": "corrections_before",
    "AFTER": "corrections_after", "ALTHOUGH LOADED": "corrections_loaded", "TOKENS": "tokens", "ADVICE": "advice",
}  # fmt: skip
_DONE = {
    "approve": "approved",
    "mandate": "mandatory",
    "reject": "rejected",
    "revoke": "revoked",
    "return": "waiting for a review",
}


@click.group()
def command() -> None:
    """Review what colleagues verified, and decide what everybody's sessions load."""


@command.command()
@click.option("--status", default="pending", show_default=True, help="States, with commas.")
@click.option("--domain")
@click.option("--limit", type=click.IntRange(1, 200), default=50, show_default=True)
@JSON
def queue(status: str, domain: str | None, limit: int, as_json: bool) -> None:
    """List items that wait for a decision, the most believed first."""
    from agnes_cli.server import connect

    with connect() as server:
        found = server.get("/api/knowledge", status=status, domain=domain, sort="confidence", limit=limit)
    if as_json:
        shown.as_json(found)
    else:
        shown.table(COLUMNS, found["items"], none="Nothing waits.")


@command.command()
@click.argument("decision", type=click.Choice(sorted(_DONE)))
@click.argument("items", nargs=-1, required=True)
@click.option("--reason", default="", help="Needed to mandate, reject and revoke; people read it.")
@click.option("--group", "groups", multiple=True, help="Id of a group that gets it; may be repeated.")
@click.option("--everyone", is_flag=True, help="Everybody gets it.")
@click.option("--until", help="When its validity ends, such as 2027-06-30T00:00:00Z.")
@JSON
def decide(
    *,
    decision: str,
    items: tuple[str, ...],
    reason: str,
    groups: tuple[str, ...],
    everyone: bool,
    until: str | None,
    as_json: bool,
) -> None:
    """Decide about ITEMS (ids), in one go."""
    import sys

    from agnes_cli.server import connect

    body: dict[str, Any] = {"item_ids": list(items), "decision": decision, "reason": reason, "valid_until": until}
    if groups or everyone:
        body |= {"audience": "groups" if groups else "everyone", "groups": list(groups)}
    with connect() as server:
        done = server.post(f"{ADMIN}/decisions", body)
    if as_json:
        shown.as_json(done)
    for item in [] if as_json else done["done"]:
        click.echo(f"{item} is {_DONE[decision]}.")
    for one in done["failed"]:
        click.echo(f"{one['id']}: {shown.plain(one['message'])}", err=True)
    if done["failed"]:
        sys.exit(1)


@command.command()
@click.argument("item")
@click.option("--title")
@click.option("--content")
@click.option("--domain")
@click.option("--category")
@click.option("--tag", "tags", multiple=True, help="Replaces the tags; may be repeated.")
def edit(item: str, tags: tuple[str, ...], **fields: str | None) -> None:
    """Change ITEM's text or fields."""
    from agnes_cli.failures import BadInput
    from agnes_cli.server import connect, route

    body: dict[str, Any] = {name: value for name, value in fields.items() if value is not None}
    if tags:
        body["tags"] = list(tags)
    if not body:
        raise BadInput("there is nothing to change", hint="Give --title, --content, --domain, --category or --tag.")
    with connect() as server:
        server.change(route("api", "admin", "knowledge", "items", item), body)
    click.echo(f"{item} is changed.")


@command.command()
@click.option("--kind", type=click.Choice(["contradicts", "same", "refines"]))
@click.option("--resolved", is_flag=True)
@JSON
def relations(kind: str | None, resolved: bool, as_json: bool) -> None:
    """List duplicates, contradictions and refinements."""
    from agnes_cli.server import connect

    with connect() as server:
        found = server.get(f"{ADMIN}/relations", kind=kind, resolved="true" if resolved else None)
    if as_json:
        shown.as_json(found)
        return
    rows = [
        one["relation"]
        | {side: f"{one['relation'][f'item_{side}']} {(one[side] or {}).get('title', '')}" for side in "ab"}
        for one in found["items"]
    ]
    shown.table(RELATIONS, rows, none="Nothing waits.")


@command.command()
@click.argument("item_a")
@click.argument("item_b")
@click.argument("resolution", type=click.Choice(["keep-a", "keep-b", "merge", "both", "dismiss"]))
@click.option("--text", default="", help="The merged text.")
def resolve(item_a: str, item_b: str, resolution: str, text: str) -> None:
    """Resolve what ITEM_A and ITEM_B are to one another."""
    from agnes_cli.server import connect, route

    body = {"resolution": resolution.replace("-", "_"), "merged": text}
    with connect() as server:
        server.post(route("api", "admin", "knowledge", "relations", item_a, item_b), body)
    click.echo("Resolved.")


@command.command()
@JSON
def detector(as_json: bool) -> None:
    """Say how many sessions wait, were read and failed, and why."""
    from agnes_cli.server import connect

    with connect() as server:
        found = server.get(f"{ADMIN}/detector")
    if as_json:
        shown.as_json(found)
        return
    shown.facts(
        {"Sessions": found["counts"], "Notes": found["notes"], "Spent in 24 hours": f"${found['spent_usd']:.2f}"}
    )
    if found["failed"]:
        shown.table(FAILED, found["failed"], none="")


@command.command("help")
@click.option("--limit", type=click.IntRange(1, 200), default=50, show_default=True)
@JSON
def does_it_help(limit: int, as_json: bool) -> None:
    """Show which items help: sessions that began with each, were about it or corrected it, and its tokens."""
    from agnes_cli.server import connect

    with connect() as server:
        found = server.get(f"{ADMIN}/help", limit=limit)
    if as_json:
        shown.as_json(found)
        return
    rows = [{**one["help"], "id": one["item"]["id"], "title": one["item"]["title"]} for one in found["items"]]
    shown.table(HELP, rows, none="Nothing is distributed yet.")
    if found["proposed"]:
        click.echo(
            f"{found['proposed']} items are proposed for removal: `agnes admin knowledge decide revoke ID --reason …`."
        )


@command.command()
@click.option("--format", "kind", type=click.Choice(["json", "csv"]), default="json", show_default=True)
@click.option("--out", type=click.Path(path_type=Path), help="A file; standard output without it.")
@click.option("--force", is_flag=True, help="Replace the file.")
def export(kind: str, out: Path | None, force: bool) -> None:
    """Save every item, as JSON or CSV."""
    from agnes_cli.server import connect

    if out is not None:
        saving.require_place(out, replace=force)
    with connect() as server, server.download(f"{ADMIN}/export", format=kind) as pieces:
        if out is None:
            saving.to_standard_output(pieces)
        else:
            saving.save(pieces, out, replace=force)


@command.command()
@JSON
def stats(as_json: bool) -> None:
    """Count items by state, domain, category, source and tag."""
    from agnes_cli.server import connect

    with connect() as server:
        found = server.get("/api/knowledge/stats")
    if as_json:
        shown.as_json(found)
    else:
        shown.facts(found)
