"""A person's own account: name, password, access tokens, groups and what they were granted."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field, SecretStr

from agnes.access import service as access
from agnes.access.model import AccessItem, Membership
from agnes.accounts import second_factor, tokens, users
from agnes.accounts import service as accounts
from agnes.accounts.model import NewToken, SignIn, Token, User
from agnes.accounts.rules import MIN_PASSWORD
from agnes.accounts.second_factor import NewKey, Status
from agnes.kernel.ports import ObjectStore, Secret, Secrets
from agnes.kernel.principal import Principal, Via
from agnes.kernel.scopes import LABELS, Scope, scope_of
from agnes.kernel.state import State
from agnes.marketplace import granting

PATH = "/me/profile"
SCOPES = {scope.value: LABELS[scope] for scope in (Scope.FULL, Scope.READ, Scope.FEED, Scope.PUSH, Scope.BOOTSTRAP)}
LIFETIMES = {"30": "30 days", "90": "90 days", "365": "1 year", "": "No end"}


class ProfileForm(BaseModel):
    model_config = ConfigDict(extra="forbid")

    action: Literal[
        "rename",
        "password",
        "create_token",
        "revoke_token",
        "revoke_all_tokens",
        "sign_out_elsewhere",
        "sign_out_one",
        "factor_begin",
        "factor_confirm",
        "factor_off",
    ]
    name: str = Field("", max_length=1000)
    current: SecretStr = SecretStr("")
    new: SecretStr = SecretStr("")
    scope: Literal["full", "read", "feed", "push", "bootstrap-analyst", "scim"] = "full"
    expires: Literal["30", "90", "365", ""] = "90"
    token_id: str = ""
    sign_in_id: str = ""
    code: str = Field("", max_length=40)


@dataclass(frozen=True)
class ProfilePage:
    template: ClassVar[str] = "profile/profile.html"
    title: ClassVar[str] = "Profile"
    lifetimes: ClassVar[dict[str, str]] = LIFETIMES
    scopes: ClassVar[dict[str, str]] = SCOPES
    min_password: ClassVar[int] = MIN_PASSWORD

    user: User
    memberships: list[Membership]
    items: tuple[AccessItem, ...]
    tokens: list[Token]
    sign_ins: list[SignIn]
    """Those that still open the account, newest first."""
    this_sign_in: str
    """Id of the one that shows this page; another word if a token does."""
    may_change: bool
    """Whether they are signed in themselves; a token may neither make tokens nor change passwords."""
    now: datetime
    code_status: Status
    new_token: NewToken | None = None
    """Shown on this one page and never again, as is what follows."""
    new_key: NewKey | None = None
    recovery_codes: tuple[str, ...] = ()

    @property
    def today(self) -> date:
        return self.now.date()

    @property
    def scope_options(self) -> list[tuple[str, str]]:
        """Scopes that this person may choose."""
        return [*self.scopes.items(), *([(Scope.SCIM.value, LABELS[Scope.SCIM])] if self.user.is_admin else [])]

    @property
    def key_picture(self) -> str:
        """The new key as a picture that a camera reads."""
        return second_factor.picture(self.new_key.address) if self.new_key else ""

    def label(self, scope: str) -> str:
        """What a token of this scope may do; an unknown scope as it is."""
        return dict(self.scope_options).get(scope, scope)


def profile_page(state: State, store: ObjectStore, who: Principal, *, now: datetime) -> ProfilePage:
    with state.read(*granting.FILES, spare=("marketplace",)) as db:
        return ProfilePage(
            user=accounts.get_user(db, who.user_id),
            memberships=access.memberships(db, who.user_id),
            items=granting.effective_access(db, who.user_id).items,
            tokens=tokens.live(db, store, who.user_id, now),
            sign_ins=accounts.live_sign_ins(db, store, who.user_id, now=now),
            this_sign_in=who.credential_id,
            may_change=who.via is not Via.TOKEN,
            now=now,
            code_status=second_factor.status(db, who.user_id),
        )


def change(
    state: State, store: ObjectStore, vault: Secrets, who: Principal, form: ProfileForm, *, now: datetime
) -> str | ProfilePage:
    """What the next page says, or the page with a new token, key or recovery codes.

    Raises what `accounts.users`, `.tokens` and `.second_factor` do.
    """
    if form.action == "factor_begin":
        key = second_factor.begin(state, vault, who, now=now)
        return replace(profile_page(state, store, who, now=now), new_key=key)
    if form.action == "factor_confirm":
        codes = second_factor.confirm(state, store, vault, who, form.code, now=now)
        return replace(profile_page(state, store, who, now=now), recovery_codes=codes)
    if form.action == "factor_off":
        second_factor.turn_off(state, store, who, Secret(form.current.get_secret_value()), now=now)
        return "Signing in asks for no code any more."
    if form.action == "create_token":
        days = int(form.expires) if form.expires else None
        made = tokens.create(
            state,
            who,
            name=form.name,
            expires_in_days=days,
            ttl_seconds=None,
            scope=scope_of(form.scope) or Scope.FULL,
            now=now,
        )
        return replace(profile_page(state, store, who, now=now), new_token=made)
    if form.action == "revoke_token":
        tokens.revoke(state, who, form.token_id, now=now)
        return "The token is revoked. It stops working at once."
    if form.action == "revoke_all_tokens":
        revoked = tokens.revoke_all_of(state, who, who.user_id, now=now)
        return f"{revoked} {'token is' if revoked == 1 else 'tokens are'} revoked. They stop working at once."
    if form.action == "sign_out_elsewhere":
        users.sign_out_elsewhere(state, who, now=now)
        return "You are signed out everywhere else. Access tokens go on working."
    if form.action == "sign_out_one":
        users.sign_out_one(state, who, form.sign_in_id, now=now)
        return "That sign-in is ended."
    if form.action == "rename":
        return f"Your name is {users.change_own_name(state, who, form.name, now=now).name} now."
    current, new = Secret(form.current.get_secret_value()), Secret(form.new.get_secret_value())
    users.change_own_password(state, store, who, current=current, new=new, now=now)
    return "Your password is changed, and you are signed out everywhere else. Access tokens go on working."
