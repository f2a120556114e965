"""Which routes a personal access token opens, by its scope (`agnes.kernel.scopes`).

A route says only what is special about it: `scope=Scope.FEED` makes it part of what a feed token opens. Everything else
follows from its method and from what it needs, so a new route is closed to narrow tokens until it says otherwise.
"""

from __future__ import annotations

from datetime import datetime

from agnes.accounts.rules import WARN_BEFORE_END
from agnes.edge.needs import Needs
from agnes.edge.origin import SAFE_METHODS
from agnes.kernel.errors import DeniedError
from agnes.kernel.principal import Principal, Via
from agnes.kernel.scopes import LABELS, Scope


class ScopeTooNarrow(DeniedError):
    """Names the scope of the token, which its holder may know."""

    code = "token_scope"

    def __init__(self, scope: Scope | None, *, hint: str = "Use a token of a wider scope, or sign in.") -> None:
        known = scope.value if scope is not None else "unknown"
        what = LABELS[scope].lower() if scope is not None else "not of this version"
        super().__init__(
            f"the scope of this token does not allow this: {known} ({what})",
            hint=hint,
            scope=known,
        )


def is_open(scope: Scope | None, *, needs: Needs, method: str, route_scope: Scope | None) -> bool:
    """Whether a token of this scope opens a route. Whether its owner may is asked besides."""
    if needs is Needs.PERSON or scope is None:
        return False
    if needs is Needs.DIRECTORY:
        return scope is Scope.SCIM
    if scope is Scope.FULL:
        return True
    if scope is Scope.BOOTSTRAP:
        return needs not in (Needs.ADMIN, Needs.OPERATOR)
    if scope is Scope.READ:
        return method in SAFE_METHODS or route_scope in (Scope.FEED, Scope.READ)
    return route_scope is scope


def near_end(who: Principal, now: datetime) -> datetime | None:
    """When the caller's token ends, if within two weeks; of one that sets up a computer that is known."""
    if who.via is not Via.TOKEN or who.expires_at is None or who.scope is Scope.BOOTSTRAP:
        return None
    return who.expires_at if who.expires_at - now <= WARN_BEFORE_END else None
