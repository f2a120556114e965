from __future__ import annotations

import click

from agnes_cli import shown

COLUMNS = {"ID": "id", "VERSION": "version", "STACK": "state", "MARKETPLACE": "marketplace_name", "NOTE": "problem"}


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print the server's answer.")
def command(as_json: bool) -> None:
    """List the plugins that were granted to you, and which of them are in your stack."""
    from agnes_cli.server import connect

    with connect() as server:
        stack = server.get("/api/my-stack")
    if as_json:
        shown.as_json(stack)
        return
    rows = [entry | {"id": _id(entry), "state": _state(entry)} for entry in stack["curated"]]
    shown.table(COLUMNS, rows, none="Nothing was granted to any of your groups yet. Ask an admin.")


def _id(entry: dict) -> str:
    return f"curated-{entry['marketplace_id']}/{entry['plugin_name']}"


def _state(entry: dict) -> str:
    state = "required" if entry["is_system"] else "added" if entry["enabled"] else "not added"
    return state if entry["served"] else f"{state}, not served"
