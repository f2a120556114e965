"""Who is asking. Resolved by the edge, decided upon by services."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from agnes.kernel.errors import DeniedError
from agnes.kernel.scopes import Scope


class Via(StrEnum):
    """How the principal proved who they are."""

    SESSION = "session"  # a cookie in a browser
    TOKEN = "token"  # a personal access token, Bearer or Basic
    LOGIN = "login"  # the bearer that POST /auth/token answers
    OPERATOR = "operator"  # SCHEDULER_API_TOKEN, job routes only
    SCHEDULE = "schedule"  # the scheduler itself


@dataclass(frozen=True, slots=True)
class Principal:
    """A person (or the scheduler) with the groups that they are in now; roles are never cached."""

    user_id: str
    email: str
    name: str
    group_ids: frozenset[str] = field(default_factory=frozenset)
    """Ids of the groups, `Everyone` included."""
    is_admin: bool = False
    via: Via = Via.SESSION
    credential_id: str = ""
    """Id of the session or token row; empty for the scheduler."""
    scope: Scope | None = Scope.FULL
    """Of the token; a sign-in has all. None: a scope that this version does not know."""
    expires_at: datetime | None = None
    """When the token or the sign-in ends; None never."""

    @property
    def client_kind(self) -> str:
        return {Via.SESSION: "web", Via.TOKEN: "cli", Via.LOGIN: "cli"}.get(self.via, "scheduler")

    def require_admin(self) -> None:
        if not self.is_admin:
            raise DeniedError("only members of Admin may do this", code="admin_only", hint="Ask an admin.")


SCHEDULER = Principal(user_id="", email="scheduler@system.local", name="Scheduler", is_admin=True, via=Via.SCHEDULE)
