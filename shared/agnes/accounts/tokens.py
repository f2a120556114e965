"""Personal access tokens: shown once, kept as a hash, revocable, their last use noted beside the state."""

from __future__ import annotations

import json
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, TypeVar

from agnes.accounts.model import NewToken, OwnedToken, Token
from agnes.accounts.repository import count_live_tokens, revoke_tokens
from agnes.accounts.rules import TOKEN_PREFIX, expiry_of, hash_of, name_of, new_credential
from agnes.accounts.service import USED_PREFIX
from agnes.kernel import sealed
from agnes.kernel.calls import registered
from agnes.kernel.errors import ConflictError, NotFoundError
from agnes.kernel.ids import TokenId, new_ulid
from agnes.kernel.ports import ObjectStore
from agnes.kernel.principal import Principal
from agnes.kernel.scopes import Scope, scope_of
from agnes.kernel.state import Change, Db, State, Tx, one_number

MOST_LIVE_TOKENS = 100
"""A person. Only a runaway script has more."""
SHOWN = 10
"""Characters of a token that stay visible, `agp_` among them."""

_READERS = 16

T = TypeVar("T", bound=Token)


@dataclass(frozen=True, slots=True)
class Row:
    id: TokenId
    user_id: str
    name: str
    prefix: str
    scope: str
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None
    user_email: str


@dataclass(frozen=True, slots=True)
class LastUse:
    at: datetime | None = None
    ip: str | None = None


def create(
    state: State,
    who: Principal,
    *,
    name: str,
    expires_in_days: int | None,
    ttl_seconds: int | None,
    scope: Scope = Scope.FULL,
    now: datetime,
) -> NewToken:
    """A token of one's own, with no more than its scope opens.

    Raises BadRequestError, DeniedError, ConflictError `too_many_tokens`.
    """
    name = name_of(name)
    if scope is Scope.SCIM:
        who.require_admin()
    expires_at = expiry_of(now, days=expires_in_days, ttl_seconds=ttl_seconds, scope=scope)
    token, token_id = new_credential(TOKEN_PREFIX), TokenId(new_ulid(now))
    shown = NewToken(token_id, name, token.value[:SHOWN], token.value, expires_at, now)

    change = add(
        token_id=token_id,
        user_id=who.user_id,
        name=name,
        token_hash=hash_of(token),
        prefix=shown.prefix,
        scope=scope.value,
        at=now,
        expires_at=expires_at,
    )
    state.commit("people", change)
    return shown


@registered("accounts.tokens.add")
def add(
    tx: Tx,
    *,
    token_id: str,
    user_id: str,
    name: str,
    token_hash: str,
    prefix: str,
    scope: str,
    at: datetime,
    expires_at: datetime | None,
) -> None:
    """Raises ConflictError `too_many_tokens`."""
    if count_live_tokens(tx.db, user_id, at) >= MOST_LIVE_TOKENS:
        raise ConflictError(
            f"you have {MOST_LIVE_TOKENS} tokens already", code="too_many_tokens", hint="Revoke some first."
        )
    tx.db.execute(
        """INSERT INTO people.tokens (id, user_id, name, token_hash, prefix, scope, created_at, expires_at)
        VALUES (?, ?, ?, ?, ?, ?, ?, ?)""",
        [token_id, user_id, name, token_hash, prefix, scope, at, expires_at],
    )
    tx.record(Change("token.create", f"token:{token_id}", {"name": name, "scope": scope, "expires_at": expires_at}))


def mine(db: Db, store: ObjectStore, who: Principal) -> list[Token]:
    """A person's tokens, newest first, revoked and expired ones included."""
    rows = _rows(db, "t.user_id = ?", [who.user_id])
    return [_token(Token, row, use) for row, use in zip(rows, _last_uses(store, rows), strict=True)]


def live(db: Db, store: ObjectStore, user_id: str, now: datetime) -> list[Token]:
    """A person's tokens that are neither revoked nor expired, newest first."""
    rows = [
        row
        for row in _rows(db, "t.user_id = ? AND t.revoked_at IS NULL", [user_id])
        if row.expires_at is None or row.expires_at > now
    ]
    return [_token(Token, row, use) for row, use in zip(rows, _last_uses(store, rows), strict=True)]


def get(db: Db, store: ObjectStore, who: Principal, token_id: str) -> Token:
    """One of a person's own tokens. Raises NotFoundError."""
    rows = _rows(db, "t.user_id = ? AND t.id = ?", [who.user_id, token_id])
    if not rows:
        raise _unknown()
    return _token(Token, rows[0], *_last_uses(store, rows))


def everybody(db: Db, store: ObjectStore) -> list[OwnedToken]:
    """All tokens, newest first, for admins."""
    rows = _rows(db, "true", [])
    return [
        _token(OwnedToken, row, use, user_id=row.user_id, user_email=row.user_email)
        for row, use in zip(rows, _last_uses(store, rows), strict=True)
    ]


def page_of_all(
    db: Db, store: ObjectStore, *, now: datetime, status: str, q: str, offset: int, limit: int, scope: str = ""
) -> tuple[list[OwnedToken], int]:
    """Tokens of everybody that a page shows, newest first, and how many there are on all pages.

    `status` is `active`, `expired`, `revoked` or empty; `q` is looked for in names, owners' addresses and prefixes.
    """
    where = f"""({_STATUS.get(status, "true")})
        AND ($scope = '' OR coalesce(map {{'general': 'full'}}[t.scope], t.scope) = $scope)
        AND ($q = '' OR contains(lower(t.name || ' ' || t.prefix || ' ' || coalesce(u.email, '')), $q))"""
    given: dict[str, Any] = {"q": q.strip().casefold(), "scope": scope}
    if status in ("active", "expired"):
        given["now"] = now
    rows = _rows(db, f"{where} ORDER BY t.id DESC LIMIT {int(limit)} OFFSET {int(offset)}", given, ordered=True)
    total = one_number(
        db,
        f"SELECT count(*) FROM people.tokens t LEFT JOIN people.users u ON u.id = t.user_id WHERE {where}",  # noqa: S608
        given,
    )
    return [
        _token(OwnedToken, row, use, user_id=row.user_id, user_email=row.user_email)
        for row, use in zip(rows, _last_uses(store, rows), strict=True)
    ], total


_STATUS = {
    "active": "t.revoked_at IS NULL AND (t.expires_at IS NULL OR t.expires_at > $now)",
    "expired": "t.revoked_at IS NULL AND t.expires_at <= $now",
    "revoked": "t.revoked_at IS NOT NULL",
}


def revoke(state: State, who: Principal, token_id: str, *, now: datetime) -> None:
    """Revoke one's own token; again does no harm. Raises NotFoundError."""
    _revoke(state, token_id, who, now, owner=who.user_id, action="token.revoke")


def revoke_any(state: State, who: Principal, token_id: str, *, now: datetime) -> None:
    """As an admin. Raises NotFoundError."""
    who.require_admin()
    _revoke(state, token_id, who, now, owner=None, action="token.admin_revoke")


def revoke_all_of(state: State, who: Principal, user_id: str, *, now: datetime) -> int:
    """Every token of one's own account, or as an admin of any, that is not revoked; how many they were."""
    is_own = who.user_id == user_id
    if not is_own:
        who.require_admin()

    def end(tx: Tx) -> int:
        revoked = revoke_tokens(tx.db, user_id, by=who.email, now=now)
        params = {"user_id": user_id, "revoked": revoked}
        if revoked and is_own:
            tx.record(Change("token.revoke_all", f"user:{user_id}", params))
        elif revoked:
            tx.record(Change("token.admin_revoke_all", f"user:{user_id}", params))
        return revoked

    return state.commit("people", end)


def _revoke(state: State, token_id: str, who: Principal, now: datetime, *, owner: str | None, action: str) -> None:
    state.commit("people", end(token_id=token_id, owner=owner, by=who.email, at=now, action=action))


@registered("accounts.tokens.end")
def end(tx: Tx, *, token_id: str, owner: str | None, by: str, at: datetime, action: str) -> None:
    """Only a token of `owner`, if one is named. Raises NotFoundError."""
    row = tx.db.execute("SELECT user_id, name, revoked_at FROM people.tokens WHERE id = ?", [token_id]).fetchone()
    if row is None or (owner is not None and row[0] != owner):
        raise _unknown()
    if row[2] is not None:
        return
    tx.db.execute("UPDATE people.tokens SET revoked_at = ?, revoked_by = ? WHERE id = ?", [at, by, token_id])
    tx.record(Change(action, f"token:{token_id}", {"user_id": row[0], "name": row[1]}))


def _unknown() -> NotFoundError:
    return NotFoundError("there is no such token", code="token_not_found")


def _rows(db: Db, where: str, which: list[str] | dict[str, Any], *, ordered: bool = False) -> list[Row]:
    order = "" if ordered else "ORDER BY t.id DESC"
    found = db.execute(
        f"""SELECT t.id, t.user_id, t.name, t.prefix, t.scope, t.created_at, t.expires_at, t.revoked_at,
            coalesce(u.email, '')
        FROM people.tokens t LEFT JOIN people.users u ON u.id = t.user_id
        WHERE {where} {order}""",  # noqa: S608 (constant)
        which,
    ).fetchall()
    rows = [Row(*row) for row in found]
    return [replace(row, scope=_shown(row.scope)) for row in rows]


def _shown(scope: str) -> str:
    """The scope as it counts; one that this version does not know as it is stored."""
    known = scope_of(scope)
    return known.value if known is not None else scope


def _token(kind: type[T], row: Row, use: LastUse, **owner: str) -> T:
    return kind(
        row.id,
        row.name,
        row.prefix,
        row.scope,
        row.created_at,
        row.expires_at,
        row.revoked_at,
        use.at,
        use.ip,
        **owner,
    )


def _last_uses(store: ObjectStore, rows: Sequence[Row]) -> list[LastUse]:
    """Of each row. One read a token, side by side where they are many."""

    def read(row: Row) -> LastUse:
        key = f"{USED_PREFIX}{row.id}.json"
        found = store.read(key)
        if found is None:
            return LastUse()
        try:
            noted = json.loads(sealed.opened(key, found.body))
            at = datetime.fromisoformat(noted["at"])
            return LastUse(at if at.tzinfo else at.replace(tzinfo=UTC), str(noted["ip"]))
        except (ValueError, KeyError, TypeError):
            return LastUse()  # damaged; its next use writes it again

    if len(rows) <= 2:
        return [read(row) for row in rows]
    with ThreadPoolExecutor(_READERS) as pool:
        return list(pool.map(read, rows))
