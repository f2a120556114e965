"""Finding groups and accounts by what people call them."""

from __future__ import annotations

from typing import Any

from agnes_cli.failures import BadInput
from agnes_cli.server import Server


def group(server: Server, given: str) -> dict[str, Any]:
    """A group by its id or, without regard to case, its name. Raises BadInput."""
    groups = server.get("/api/admin/groups")
    found = [each for each in groups if each["id"] == given]
    found = found or [each for each in groups if each["name"].casefold() == given.casefold()]
    return _one(found, f"group {given}", "agnes admin group list")


def user(server: Server, given: str) -> dict[str, Any]:
    """An account by its id or e-mail. Raises BadInput."""
    users = server.get("/api/users")
    found = [each for each in users if given in (each["id"], each["email"])]
    found = found or [each for each in users if each["email"].casefold() == given.casefold()]
    return _one(found, f"account {given}", "agnes admin user list")


def _one(found: list[dict[str, Any]], what: str, listing: str) -> dict[str, Any]:
    if len(found) == 1:
        return found[0]
    problem = "there are several of" if found else "there is no"
    raise BadInput(f"{problem} {what}", hint=f"`{listing}` shows their ids.")
