"""Plugins with what they cost by being loaded, as rows of a table."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from agnes_cli import spending
from agnes_cli.catalog_ids import FLEA, PREFIX

MINE = {
    "PLUGIN": "id",
    "USES": "uses",
    "SESSIONS": "sessions",
    "TOKENS EACH": "size",
    "COST": "cost",
    "PROJECTED": "projected",
    "NOTE": "note",
}
ORGANISATION = {
    "PLUGIN": "id",
    "HAVE IT": "people",
    "DO NOT USE IT": "idle_people",
    "SESSIONS": "sessions",
    "TOKENS EACH": "size",
    "UNUSED COST": "idle_cost",
    "COST": "cost",
    "PROJECTED": "projected",
    "NOTE": "note",
}


def plugin_id(plugin: Mapping[str, Any]) -> str:
    """As `agnes marketplace search` prints it."""
    if plugin["source"] == "flea":
        return f"{FLEA}{plugin['marketplace_id']}"
    return f"{PREFIX}{plugin['marketplace_id']}/{plugin['plugin']}"


def mine(plugin: Mapping[str, Any]) -> dict[str, Any]:
    note = {"required": "required: ask an admin", "system": "system plugin: ask an admin"}.get(plugin["locked"], "")
    if not plugin["in_stack"]:
        note = "not in your stack"
    return _row(plugin) | {"note": note if plugin["is_counted"] else "works unasked"}


def organisation(plugin: Mapping[str, Any]) -> dict[str, Any]:
    note = "works unasked" if not plugin["is_counted"] else "nobody uses it" if plugin["unused"] else ""
    return _row(plugin) | {"idle_cost": dollars(plugin["idle_cost_usd"], 0), "note": note}


def total(count: int, cost: float | None, found: Mapping[str, Any]) -> str:
    spent = dollars(cost, 0) or "nothing that has a price"
    said = f"{count} unused, {spent} from {found['since']} to {found['until']}."
    if found["projected_sessions"]:
        said += f" {found['projected_sessions']} of {found['sessions']} sessions are of clients that write no listings: projected."
    return said


def dollars(cost: float | None, unpriced: int) -> str:
    return spending.cost({"cost_usd": cost, "unpriced_tokens": unpriced})


def _row(plugin: Mapping[str, Any]) -> dict[str, Any]:
    figures = plugin["standing"]
    projected = ""
    if figures["projected_sessions"]:
        cost = dollars(figures["projected_cost_usd"], figures["unpriced_tokens"])
        projected = f"{cost or 'no price'} in {figures['projected_sessions']} sessions"
    return {
        **plugin,
        "id": plugin_id(plugin),
        "sessions": figures["sessions"],
        "size": figures["tokens_a_session"],
        "cost": dollars(figures["cost_usd"], figures["unpriced_tokens"]),
        "projected": projected,
    }
