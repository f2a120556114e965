"""Accounts and credentials, as the API shows them."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from agnes.accounts.rules import WARN_BEFORE_END
from agnes.kernel.errors import ConflictError
from agnes.kernel.ids import GroupId, TokenId, UserId
from agnes.kernel.ports import Secret

ADMIN = GroupId("admin")
EVERYONE = GroupId("everyone")
"""Ids of the system groups. Every active account is in Everyone; there are no rows for it."""

GOOGLE_SYNC = "google_sync"
OIDC_SYNC = "oidc_sync"
SCIM = "scim"
SYSTEM_SEED = "system_seed"
BY_ADMIN = "admin"
"""Sources of a membership."""

SYNC_CREATORS = {"system:google-sync": "google_sync", "system:oidc-sync": "oidc_sync", "system:scim": "scim"}
"""Who makes the groups of another system → the source of their memberships, which is their origin, too."""
SYNC_SOURCES = frozenset(SYNC_CREATORS.values())


def origin_of(*, is_system: bool, created_by: str | None) -> str:
    """Where a group comes from: system, custom, or one of SYNC_SOURCES."""
    if is_system:
        return "system"
    return SYNC_CREATORS.get(created_by or "", "custom")


class ManagedElsewhere(ConflictError):
    """An account that a directory or an identity provider vouches for."""

    code = "managed_elsewhere"

    def __init__(self, email: str, *, hint: str = "Passwords are set in your directory.") -> None:
        super().__init__(f"{email} signs in with single sign-on", hint=hint)


@dataclass(frozen=True, slots=True)
class GroupOfUser:
    id: GroupId
    name: str
    is_system: bool
    origin: str


@dataclass(frozen=True, slots=True)
class User:
    id: UserId
    email: str
    name: str
    role: str
    """`admin` or `user`."""
    is_admin: bool
    is_sso_user: bool
    groups: tuple[GroupOfUser, ...]
    active: bool
    created_at: datetime
    deactivated_at: datetime | None


@dataclass(frozen=True, slots=True)
class UserQuery:
    """Which accounts a list shows. `q` is looked for as it is, in address and name, whatever its case."""

    q: str = ""
    status: Literal["", "active", "disabled", "no_password"] = ""
    group_id: str = ""
    sort: Literal["email", "name", "created"] = "email"
    offset: int = 0
    limit: int = 50


@dataclass(frozen=True, slots=True)
class UserCounts:
    total: int
    active: int
    without_password: int
    """Active accounts that cannot sign in with a password."""


@dataclass(frozen=True, slots=True)
class Me:
    user_id: str
    email: str
    name: str
    is_admin: bool
    groups: tuple[GroupOfUser, ...]
    via: str


@dataclass(frozen=True, slots=True)
class SignIn:
    """A sign-in as it is kept. Whether it has ended is said elsewhere (`agnes.accounts.sign_ins`)."""

    id: str
    user_id: UserId
    at: datetime
    expires_at: datetime
    epoch: int
    """The account's when it began."""
    ip: str
    client: str
    """`web` or `cli`, empty where it is not known."""
    method: str
    """How they proved who they are, such as `password`; empty where it is not known."""
    token_sha256: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class SignedIn:
    """A new session. `token` is the cookie's value and the bearer; it is not kept anywhere."""

    user_id: UserId
    email: str
    role: str
    token: Secret
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class Bearer:
    """A session as the API answers it."""

    access_token: str
    user_id: str
    email: str
    role: str
    token_type: str = "bearer"

    @classmethod
    def of(cls, signed_in: SignedIn) -> Bearer:
        return cls(signed_in.token.value, signed_in.user_id, signed_in.email, signed_in.role)


@dataclass(frozen=True, slots=True)
class NewToken:
    """A personal access token in the one answer that shows it."""

    id: TokenId
    name: str
    prefix: str
    token: str
    expires_at: datetime | None
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Token:
    id: TokenId
    name: str
    prefix: str
    scope: str
    """One of `agnes.kernel.scopes`."""
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None
    last_used_at: datetime | None
    last_used_ip: str | None

    def ends_soon(self, now: datetime) -> bool:
        """Whether it still works and ends within WARN_BEFORE_END."""
        return (
            self.revoked_at is None and self.expires_at is not None and now < self.expires_at <= now + WARN_BEFORE_END
        )


@dataclass(frozen=True, slots=True)
class OwnedToken(Token):
    """A token as admins see it. Owner and e-mail are empty strings if the account is gone."""

    user_id: str = ""
    user_email: str = ""
