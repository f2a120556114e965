"""Access tokens of everybody."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from typing import ClassVar, Literal

from pydantic import BaseModel, ConfigDict

from agnes.accounts import tokens
from agnes.accounts.model import OwnedToken
from agnes.admin.paging import Paging, SearchQuery
from agnes.kernel.ports import ObjectStore
from agnes.kernel.principal import Principal
from agnes.kernel.scopes import Scope
from agnes.kernel.state import State

PATH = "/admin/tokens"
TOKENS_A_PAGE = 50
STATUSES = {"active": "Active", "expired": "Expired", "revoked": "Revoked", "": "All"}


SCOPES = {"": "All scopes"} | {scope.value: scope.value for scope in Scope}


class TokensQuery(SearchQuery):
    status: Literal["", "active", "expired", "revoked"] = "active"
    scope: Literal["", "full", "read", "feed", "push", "bootstrap-analyst", "scim"] = ""


class TokenForm(BaseModel):
    model_config = ConfigDict(extra="forbid")

    action: Literal["revoke"] = "revoke"
    token_id: str


@dataclass(frozen=True)
class TokensPage:
    template: ClassVar[str] = "admin/tokens.html"
    title: ClassVar[str] = "Access tokens"
    statuses: ClassVar[dict[str, str]] = STATUSES
    scopes: ClassVar[dict[str, str]] = SCOPES

    tokens: list[OwnedToken]
    query: TokensQuery
    paging: Paging
    now: datetime

    @property
    def today(self) -> date:
        return self.now.date()

    def status_of(self, token: OwnedToken) -> str:
        if token.revoked_at is not None:
            return "Revoked"
        if token.expires_at is not None and token.expires_at <= self.now:
            return "Expired"
        return "Ends soon" if token.ends_soon(self.now) else "Active"


def tokens_page(state: State, store: ObjectStore, query: TokensQuery, *, now: datetime) -> TokensPage:
    """Raises UnavailableError."""
    with state.read("people") as db:
        found, total = tokens.page_of_all(
            db,
            store,
            now=now,
            status=query.status,
            q=query.q,
            offset=query.offset,
            limit=TOKENS_A_PAGE,
            scope=query.scope,
        )
    given = {"q": query.q, "status": query.status, "scope": query.scope}
    return TokensPage(found, query, Paging(PATH, given, query.offset, TOKENS_A_PAGE, len(found), total), now)


def revoke(state: State, who: Principal, form: TokenForm, *, now: datetime) -> str:
    """The notice. Raises NotFoundError."""
    tokens.revoke_any(state, who, form.token_id, now=now)
    return "The token is revoked. It stops working at once."
