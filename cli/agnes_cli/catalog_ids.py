"""Ids of plugins and of what colleagues shared, as `agnes marketplace search` prints them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from agnes_cli.failures import BadInput
from agnes_cli.server import Server, route

PREFIX = "curated-"
FLEA = "flea-"
TABS = ("curated", "flea")


@dataclass(frozen=True, slots=True)
class Named:
    """One thing of the catalogue, and where the server has it."""

    id: str
    detail: str
    install: str


def named(server: Server, given: str) -> Named:
    """What `curated-acme/finops`, `acme/finops`, `flea-ENTITY`, or a name that only one thing has, stands for.

    Raises BadInput.
    """
    if "/" in given or not given.strip():
        return of_plugin(*split(given))
    found = [item for tab in TABS for item in _listed(server, tab, given) if given in (item["name"], item["id"])]
    if len(found) == 1:
        return _of_id(found[0]["id"])
    if found:
        ids = ", ".join(item["id"] for item in found)
        raise BadInput(f"several plugins are named {given}", hint=f"Say which: {ids}.")
    if given.startswith(FLEA):  # what is archived is in no list, and can be taken off nevertheless
        return _of_id(given)
    raise BadInput(f"no plugin that you may have is named {given}", hint="`agnes marketplace search` lists them.")


def split(given: str) -> tuple[str, str]:
    """(marketplace, plugin) of `curated-acme/finops` or `acme/finops`. Raises BadInput."""
    slug, _, plugin = given.removeprefix(PREFIX).partition("/")
    if not slug or not plugin or "/" in plugin:
        raise BadInput(f"{given!r} is no plugin's id", hint="Write MARKETPLACE/PLUGIN, as `search` prints it.")
    return slug, plugin


def of_plugin(slug: str, plugin: str) -> Named:
    path = ("api", "marketplace", "curated", slug, plugin)
    return Named(f"{PREFIX}{slug}/{plugin}", detail=route(*path), install=route(*path, "install"))


def of_entity(entity_id: str) -> Named:
    return Named(
        f"{FLEA}{entity_id}",
        detail=route("api", "marketplace", "flea", entity_id, "detail"),
        install=route("api", "store", "entities", entity_id, "install"),
    )


def _of_id(found: str) -> Named:
    return of_entity(found.removeprefix(FLEA)) if found.startswith(FLEA) else of_plugin(*split(found))


def _listed(server: Server, tab: str, name: str) -> list[dict[str, Any]]:
    if name.startswith(FLEA) and tab == "flea":
        return []  # an id is no word to search for
    items: list[dict[str, Any]] = server.get("/api/marketplace/items", tab=tab, q=name[:200], page_size=100)["items"]
    return items
