"""Users: the list, one user with everything that an admin decides about them, and what the forms do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field, SecretStr

from agnes.access import groups as access_groups
from agnes.access import service as access
from agnes.access.model import Membership
from agnes.accounts import links, second_factor, tokens, users
from agnes.accounts import service as accounts
from agnes.accounts.links import NewLink
from agnes.accounts.model import EVERYONE, SignIn, Token, User, UserCounts, UserQuery
from agnes.accounts.rules import MAX_PASSWORD, MIN_PASSWORD
from agnes.admin.paging import Paging, SearchQuery
from agnes.kernel.ports import ObjectStore, Secret
from agnes.kernel.principal import Principal
from agnes.kernel.state import Db, State
from agnes.marketplace import granting
from agnes.stack import service as stack
from agnes.stack.model import MyStack
from agnes.telemetry import service as telemetry
from agnes.telemetry.drill_down import sessions
from agnes.telemetry.drill_down.sessions import PageOf, SessionList
from agnes.telemetry.model import FILE as TELEMETRY
from agnes.telemetry.transcripts import quotas
from agnes.telemetry.transcripts.quotas import Limits, Storage

PATH = "/admin/users"
FILES = (*stack.FILES, TELEMETRY)
"""State files of a user's page."""
USERS_A_PAGE = 50
SESSIONS_A_PAGE = 25
RECENT = timedelta(days=30)
STATUSES = {
    "": "All",
    "active": "Active",
    "disabled": "Disabled",
    "no_password": "Cannot sign in yet",
}
SORTS = {"email": "E-mail", "name": "Name", "created": "Newest first"}


class UsersQuery(SearchQuery):
    status: Literal["", "active", "disabled", "no_password"] = ""
    group_id: str = Field("", max_length=64)
    sort: Literal["email", "name", "created"] = "email"


class NewUserForm(BaseModel):
    model_config = ConfigDict(extra="forbid")

    action: Literal["create"] = "create"
    email: str = Field(min_length=3, max_length=254)
    name: str = Field("", max_length=200)
    group_id: str = ""


class UserForm(BaseModel):
    model_config = ConfigDict(extra="forbid")

    action: Literal[
        "rename",
        "password",
        "link",
        "disable",
        "enable",
        "delete",
        "join",
        "leave",
        "revoke_token",
        "revoke_all_tokens",
        "sign_out",
        "reset_factor",
    ]
    name: str = ""
    password: SecretStr = SecretStr("")
    revoke_tokens: bool = False
    group_id: str = ""
    token_id: str = ""


@dataclass(frozen=True, slots=True)
class Activity:
    """When somebody was last here, by signing in or in a session, and their sessions of the last 30 days."""

    last_at: datetime | None = None
    sessions_30d: int = 0


@dataclass(frozen=True)
class UsersPage:
    template: ClassVar[str] = "admin/users.html"
    title: ClassVar[str] = "Users"
    statuses: ClassVar[dict[str, str]] = STATUSES
    sorts: ClassVar[dict[str, str]] = SORTS

    users: list[User]
    activity: Mapping[str, Activity]
    can_sign_in: set[str]
    counts: UserCounts
    groups: list[tuple[str, str]]
    """(id, name)"""
    query: UsersQuery
    paging: Paging
    today: date

    @property
    def group_options(self) -> list[tuple[str, str]]:
        named = [(group_id, name) for group_id, name in self.groups if group_id != EVERYONE]
        return [("", "None besides Everyone"), *named]

    @property
    def is_filtered(self) -> bool:
        return bool(self.query.q or self.query.status or self.query.group_id)


@dataclass(frozen=True)
class UserPage:
    template: ClassVar[str] = "admin/user.html"
    min_password: ClassVar[int] = MIN_PASSWORD
    max_password: ClassVar[int] = MAX_PASSWORD

    user: User
    is_oneself: bool
    can_sign_in: bool
    has_second_factor: bool
    activity: Activity
    memberships: list[Membership]
    group_options: list[tuple[str, str]]
    """(id, name) of groups that the user can be added to."""
    tokens: list[Token]
    sign_ins: list[SignIn]
    """Those that still open the account, newest first."""
    stack: MyStack
    granted_by: Mapping[str, tuple[str, ...]]
    """`<slug>/<plugin>` → names of the groups that it is granted to, of the user's."""
    sessions: SessionList
    paging: Paging
    storage: Storage
    today: date
    new_link: str = ""
    """The address of a link that was made a moment ago, to hand over: where no mail is sent."""

    @property
    def title(self) -> str:
        return self.user.name or self.user.email

    @property
    def path(self) -> str:
        return f"{PATH}/{self.user.id}"

    @property
    def served(self) -> int:
        """Plugins that the feed gives them."""
        curated = sum(line.served and (line.enabled or line.added_as_dependency) for line in self.stack.curated)
        return curated + sum(line.served for line in self.stack.store)


def users_page(state: State, store: ObjectStore, query: UsersQuery, *, now: datetime) -> UsersPage:
    """Raises UnavailableError."""
    asked = UserQuery(query.q, query.status, query.group_id, query.sort, query.offset, USERS_A_PAGE)
    with state.read("people", TELEMETRY, spare=(TELEMETRY,)) as db:
        found, total = accounts.find_users(db, asked)
        ids = [user.id for user in found]
        given = {"q": query.q, "status": query.status, "group_id": query.group_id}
        if query.sort != "email":
            given["sort"] = query.sort
        return UsersPage(
            users=found,
            activity=_activity(db, store, ids, now),
            can_sign_in=accounts.have_password(db, ids),
            counts=accounts.count_users(db),
            groups=access.group_names(db),
            query=query,
            paging=Paging(PATH, given, query.offset, USERS_A_PAGE, len(found), total),
            today=now.date(),
        )


def create(state: State, who: Principal, given: NewUserForm, *, now: datetime) -> User:
    """An account, in a group if one is chosen. Raises EmailTaken, BadRequestError, NotFoundError."""
    if given.group_id:
        with state.read("people") as db:
            access.get_group(db, given.group_id)
    user = users.create(state, who, email=given.email, name=given.name, now=now)
    if given.group_id:
        access_groups.add_membership(state, who, user.id, group_id=given.group_id, now=now)
    return user


def user_page(
    state: State, store: ObjectStore, who: Principal, user_id: str, *, offset: int, limits: Limits, now: datetime
) -> UserPage:
    """Raises NotFoundError, UnavailableError."""
    query = PageOf(limit=SESSIONS_A_PAGE, offset=offset)
    with state.read(*FILES, spare=(*stack.SPARED, "stack", "marketplace", TELEMETRY)) as db:
        user = accounts.get_user(db, user_id)
        memberships = access.memberships(db, user_id)
        joined = {membership.group_id for membership in memberships}
        groups = [(key, name) for key, name in access.group_names(db) if key not in joined and key != EVERYONE]
        activity = _activity(db, store, [user.id], now).get(user.id, Activity())
        live = tokens.live(db, store, user.id, now)
        signed_in = accounts.live_sign_ins(db, store, user.id, now=now)
        held = stack.my_stack(db, accounts.principal_of(db, user_id))
        via = {
            item.resource_id: tuple(dict.fromkeys(group.name for group in item.via_groups))
            for item in granting.effective_access(db, user_id).items
        }
        can_sign_in = user.active and bool(accounts.have_password(db, [user_id]))
        has_second_factor = second_factor.required(db, user_id)
    listed = sessions.of_user(state, store, user.id, query, spare=(TELEMETRY,))
    return UserPage(
        user=user,
        is_oneself=user.id == who.user_id,
        can_sign_in=can_sign_in,
        has_second_factor=has_second_factor,
        activity=activity,
        memberships=memberships,
        group_options=groups,
        tokens=live,
        sign_ins=signed_in,
        stack=held,
        granted_by=via,
        sessions=listed,
        paging=Paging(f"{PATH}/{user.id}", {}, offset, SESSIONS_A_PAGE, len(listed.sessions), listed.total),
        storage=quotas.storage(store, user.id, limits, now=now),
        today=now.date(),
    )


def make_link(state: State, who: Principal, user_id: str, *, now: datetime) -> NewLink:
    """An invitation for somebody who has no password yet, else a reset. Raises what `accounts.links.create` does."""
    with state.read("people") as db:
        accounts.get_user(db, user_id)
        has_password = bool(accounts.have_password(db, [user_id]))
    return links.create(state, who, user_id, "reset" if has_password else "invitation", now=now)


def change(
    state: State, store: ObjectStore, who: Principal, user_id: str, form: UserForm, *, now: datetime
) -> tuple[str, str]:
    """Do what a form of the user's page asks: (page to go on to, notice).

    Raises what `accounts.users`, `accounts.tokens` and `access.groups` do.
    """
    with state.read("people") as db:
        user = accounts.get_user(db, user_id)
    return _CHANGES[form.action](_Asked(state, store, who, user, form, now))


@dataclass(frozen=True)
class _Asked:
    state: State
    store: ObjectStore
    who: Principal
    user: User
    form: UserForm
    now: datetime

    @property
    def page(self) -> str:
        return f"{PATH}/{self.user.id}"


def _rename(asked: _Asked) -> tuple[str, str]:
    user = users.update(asked.state, asked.who, asked.user.id, name=asked.form.name, now=asked.now)
    return asked.page, f"The name is {user.name} now."


def _password(asked: _Asked) -> tuple[str, str]:
    password = Secret(asked.form.password.get_secret_value())
    done = users.set_password(
        asked.state,
        asked.store,
        asked.who,
        asked.user.id,
        password,
        revoke_tokens=asked.form.revoke_tokens,
        now=asked.now,
    )
    said = f"The password of {asked.user.email} is set, and all their sign-ins ended."
    if done.revoked_tokens:
        said += f" {_count(done.revoked_tokens, 'access token')} revoked."
    elif done.tokens:
        said += (
            f" {_count(len(done.tokens), 'access token')} of theirs still work: revoke them below if they may be known."
        )
    return asked.page, said


def _disable(asked: _Asked) -> tuple[str, str]:
    users.update(asked.state, asked.who, asked.user.id, active=False, now=asked.now)
    return asked.page, f"{asked.user.email} is disabled: signed out everywhere, and tokens no longer work."


def _enable(asked: _Asked) -> tuple[str, str]:
    users.update(asked.state, asked.who, asked.user.id, active=True, now=asked.now)
    return asked.page, f"{asked.user.email} is active again. Tokens that were not revoked work again."


def _delete(asked: _Asked) -> tuple[str, str]:
    users.delete(asked.state, asked.who, asked.user.id, now=asked.now)
    return PATH, f"The account of {asked.user.email} is deleted."


def _join(asked: _Asked) -> tuple[str, str]:
    made = access_groups.add_membership(
        asked.state, asked.who, asked.user.id, group_id=asked.form.group_id, now=asked.now
    )
    return asked.page, f"{asked.user.email} is in {made.name} now."


def _reset_factor(asked: _Asked) -> tuple[str, str]:
    second_factor.reset(asked.state, asked.who, asked.user.id, now=asked.now)
    return asked.page, f"{asked.user.email} signs in without a code now, and is signed out everywhere."


def _leave(asked: _Asked) -> tuple[str, str]:
    with asked.state.read("people") as db:
        group = access.get_group(db, asked.form.group_id)
    access_groups.remove_member(asked.state, asked.who, group.id, asked.user.id, now=asked.now)
    return asked.page, f"{asked.user.email} is no longer in {group.name}."


def _revoke_token(asked: _Asked) -> tuple[str, str]:
    tokens.revoke_any(asked.state, asked.who, asked.form.token_id, now=asked.now)
    return asked.page, "The token is revoked. It stops working at once."


def _revoke_all_tokens(asked: _Asked) -> tuple[str, str]:
    revoked = tokens.revoke_all_of(asked.state, asked.who, asked.user.id, now=asked.now)
    return asked.page, f"{_count(revoked, 'token')} revoked. They stop working at once."


def _sign_out(asked: _Asked) -> tuple[str, str]:
    users.sign_out_everywhere(asked.state, asked.who, asked.user.id, now=asked.now)
    if asked.user.id == asked.who.user_id:
        return asked.page, "You are signed out everywhere else. Access tokens go on working."
    return asked.page, f"{asked.user.email} is signed out everywhere. Access tokens go on working."


_CHANGES = {
    "rename": _rename,
    "password": _password,
    "disable": _disable,
    "enable": _enable,
    "delete": _delete,
    "join": _join,
    "leave": _leave,
    "reset_factor": _reset_factor,
    "revoke_token": _revoke_token,
    "revoke_all_tokens": _revoke_all_tokens,
    "sign_out": _sign_out,
}


def _count(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"


def _activity(db: Db, store: ObjectStore, user_ids: Sequence[str], now: datetime) -> dict[str, Activity]:
    signed_in = accounts.last_sign_ins(db, store, user_ids)
    worked = telemetry.last_sessions(db, user_ids, since=now - RECENT)
    found = {}
    for user_id in user_ids:
        last, count = worked.get(user_id, (None, 0))
        times = [at for at in (last, signed_in.get(user_id)) if at]
        found[user_id] = Activity(max(times, default=None), count)
    return found
