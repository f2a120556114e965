"""What a personal access token may do, less than its owner.

    scope               what it opens
    full                what its owner may do, administration too
    read                what its owner may read: every GET, queries of tables, and the feed
    feed                the marketplace as zip and as git, and what it holds
    push                uploads of transcripts and notes
    bootstrap-analyst   what its owner may do beside administration, for an hour: to set up a computer
    scim                provisioning of accounts and groups by a directory (docs/identity.md); only of an admin

No token makes a token or changes a password, whatever its scope (`Needs.PERSON`).
"""

from __future__ import annotations

from enum import StrEnum


class Scope(StrEnum):
    FULL = "full"
    READ = "read"
    FEED = "feed"
    PUSH = "push"
    BOOTSTRAP = "bootstrap-analyst"
    SCIM = "scim"


LABELS: dict[Scope, str] = {
    Scope.FULL: "Everything that you can do",
    Scope.READ: "Read only",
    Scope.FEED: "Marketplace only",
    Scope.PUSH: "Send sessions only",
    Scope.BOOTSTRAP: "Set up a computer (1 hour)",
    Scope.SCIM: "Directory (SCIM)",
}

_OF_STORED = {"general": Scope.FULL}
"""Tokens made before scopes were enforced keep what they could do."""

KEEP_ADMIN = frozenset({Scope.FULL, Scope.READ, Scope.SCIM})
"""Scopes in which an admin's token still is an admin's."""


def scope_of(stored: str) -> Scope | None:
    """The scope that a token's row names; None for one that this version does not know, which opens nothing."""
    if stored in _OF_STORED:
        return _OF_STORED[stored]
    try:
        return Scope(stored)
    except ValueError:
        return None
