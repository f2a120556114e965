"""Ids of curated plugins, as `agnes marketplace search` prints them."""

from __future__ import annotations

from typing import Any

from agnes_cli.failures import BadInput
from agnes_cli.server import Server

PREFIX = "curated-"


def curated(server: Server, given: str) -> tuple[str, str]:
    """(marketplace, plugin) of `curated-acme/finops`, `acme/finops`, or `finops` where only one is so named.

    Raises BadInput.
    """
    if "/" in given or not given.strip():
        return split(given)
    found = [item for item in _named(server, given) if item["name"] == given]
    if len(found) == 1:
        return found[0]["marketplace_slug"], found[0]["name"]
    if found:
        ids = ", ".join(item["id"] for item in found)
        raise BadInput(f"several plugins are named {given}", hint=f"Say which: {ids}.")
    raise BadInput(f"no plugin that you may have is named {given}", hint="`agnes marketplace search` lists them.")


def split(given: str) -> tuple[str, str]:
    """(marketplace, plugin) of `curated-acme/finops` or `acme/finops`. Raises BadInput."""
    slug, _, plugin = given.removeprefix(PREFIX).partition("/")
    if not slug or not plugin or "/" in plugin:
        raise BadInput(f"{given!r} is no plugin's id", hint="Write MARKETPLACE/PLUGIN, as `search` prints it.")
    return slug, plugin


def _named(server: Server, name: str) -> list[dict[str, Any]]:
    return server.get("/api/marketplace/items", q=name[:200], page_size=100)["items"]
