from __future__ import annotations

from typing import Any

import click

from agnes_cli import shown
from agnes_cli.options import JSON

KINDS = {"Skills": "skills", "Agents": "agents", "Commands": "commands", "Hooks": "hooks", "MCP servers": "mcps"}

STATES = {
    "in_stack": "in your stack",
    "served": "served as a dependency",
    "added": "added with it",
    "unavailable": "not available to you",
}


@click.command()
@click.argument("plugin")
@JSON
def command(plugin: str, as_json: bool) -> None:
    """Describe PLUGIN, an id that `search` printed: what is inside, whose it is, how it is used."""
    from agnes_cli.catalog_ids import named
    from agnes_cli.server import connect

    with connect() as server:
        thing = named(server, plugin)
        found = server.get(thing.detail)
    if as_json:
        shown.as_json(found)
        return
    used = found["telemetry"] or {}
    flea = found["source"] == "flea"
    shown.facts(
        {
            "ID": thing.id,
            "Name": found["manifest_name"],
            "Called": found["display_name"] if found["display_name"] != found["manifest_name"] else "",
            "Version": found["version"],
            "Why this version": found["version_reason"],
            "About": found["description"],
            "Category": found["category"],
            "Shared by" if flea else "Curated by": found["owner_display"] if flea else _curator(found),
            "Status": found["visibility_status"] if flea else "",
            "Marketplace": found["marketplace_name"],
            "Homepage": found["homepage"],
            "In your stack": "required" if found["is_system"] else found["installed"],
            "In stacks": found["stack_count"],
            "Used in 30 days": f"{used['invocations_30d']} calls by {used['distinct_users_30d']} people"
            if used
            else "",
            "Cost in 30 days": _cost(used) if used and used["tokens_30d"] else "",
            "Not served": found["hidden_reason"],
            "Needed by": found["required_by"],
            "Cannot be added": found["cannot_add"],
            "Added with it": [other["display_name"] or other["name"] for other in found["added_with_it"]],
            "Starts": "" if found["default_enabled"] else "switched off: enable it in /plugin",
            "Size": f"{found['bundle_size']:,} bytes in {len(found['files'])} files",
            "Problem": found["problem"],
        }
    )
    sections = {"Needs": _needs(found), "Plugins that need it": _needing(found), "Asks you for": _asks_for(found)}
    for heading, lines in sections.items():
        for line in [f"\n{heading}", *lines] if lines else ():
            click.echo(line)
    for heading, kind in KINDS.items():
        if found[kind]:
            click.echo(f"\n{heading}")
        for inner in found[kind]:
            name = inner.get("invocation") or inner["name"]
            click.echo(f"  {shown.plain(name)}  {shown.plain(inner['description'])}".rstrip())
    for capability in found["capabilities"]:
        if capability["kind"] in ("hooks", "mcp"):  # among the lists above
            continue
        click.echo(f"\n{capability['title']}")
        for name in capability["names"]:
            click.echo(f"  {shown.plain(name)}")


def _needs(found: dict[str, Any]) -> list[str]:
    return [
        f"  {shown.plain(need['name'])} of {shown.plain(need['marketplace'])} {shown.plain(need['range'])}".rstrip()
        + f"  {STATES[need['state']]}"
        + (f": {shown.plain(need['problem'])}" if need["problem"] else "")
        for need in found["dependencies"]
    ]


def _needing(found: dict[str, Any]) -> list[str]:
    return [
        f"  {shown.plain(by['title'])} of {shown.plain(by['marketplace'])} {shown.plain(by['range'])}".rstrip()
        + ("  in your stack" if by["installed"] else "")
        for by in found["needed_by"]
    ]


def _asks_for(found: dict[str, Any]) -> list[str]:
    return [
        f"  {shown.plain(option['title'])}{' (secret)' if option['sensitive'] else ''}"
        f"{' (required)' if option['required'] else ''}  {shown.plain(option['description'])}".rstrip()
        + (f" (one of {', '.join(map(shown.plain, option['choices']))})" if option.get("choices") else "")
        for option in found["user_config"]
    ]


def _cost(used: dict[str, Any]) -> str:
    """An estimate; tokens of models without a price have an unknown one, not none."""
    tokens, cost, unpriced = used["tokens_30d"], used["cost_usd_30d"], used["unpriced_tokens_30d"]
    known = f"about ${cost:,.2f}" if cost is not None else "unknown price"
    rest = f", {unpriced:,} of them at an unknown price" if cost is not None and unpriced else ""
    return f"{tokens:,} tokens, {known}{rest}"


def _curator(found: dict[str, Any]) -> str:
    email = found["curator_email"]
    return " ".join(filter(None, [found["author_name"], f"<{email}>" if email else ""]))
