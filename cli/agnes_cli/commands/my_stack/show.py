from __future__ import annotations

from typing import Any

import click

from agnes_cli import shown
from agnes_cli.options import JSON

COLUMNS = {"ID": "id", "VERSION": "version", "STACK": "state", "MARKETPLACE": "origin", "NOTE": "problem"}


@click.command()
@JSON
def command(as_json: bool) -> None:
    """List the plugins that were granted to you, which of them are in your stack, and what you added from colleagues."""
    from agnes_cli.server import connect

    with connect() as server:
        stack = server.get("/api/my-stack")
    if as_json:
        shown.as_json(stack)
        return
    rows = [_granted(entry) for entry in stack["curated"]] + [_shared(entry) for entry in stack["store"]]
    shown.table(COLUMNS, rows, none="Nothing was granted to any of your groups yet. Ask an admin.")


def _granted(entry: dict[str, Any]) -> dict[str, Any]:
    found = f"curated-{entry['marketplace_id']}/{entry['plugin_name']}"
    needed = f"needed by {', '.join(entry['required_by'])}" if entry["required_by"] else ""
    note = "; ".join(filter(None, (needed, entry["version_reason"], entry["problem"])))
    return entry | {"id": found, "state": _state(entry), "origin": entry["marketplace_name"], "problem": note}


def _shared(entry: dict[str, Any]) -> dict[str, Any]:
    """From the flea market."""
    held_back = f" ({entry['status']})" if entry["status"] not in ("approved", "archived") else ""
    state = "added" if entry["served"] else f"added, not served{held_back}"
    origin = f"{entry['name']}, shared by {entry['owner']}"
    return entry | {"id": f"flea-{entry['entity_id']}", "state": state, "origin": origin}


def _state(entry: dict[str, Any]) -> str:
    if entry["added_as_dependency"]:
        return "added as a dependency"
    state = "required" if entry["is_system"] else "added" if entry["enabled"] else "not added"
    return state if entry["served"] else f"{state}, not served"
