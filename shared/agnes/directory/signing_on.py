"""Sign in somebody whom an identity provider has proved: their account and groups in one commit, then their sign-in."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from agnes.access import directory_groups
from agnes.accounts import identities, limits, sign_ins
from agnes.accounts.model import ADMIN, GOOGLE_SYNC, OIDC_SYNC, SignedIn, User
from agnes.accounts.service import get_user
from agnes.directory import code_flow, google_groups
from agnes.directory.discovery import Discovery
from agnes.directory.model import Claims, GroupRules, Provider, ProviderKey, SignOnRefused
from agnes.kernel import audit
from agnes.kernel.errors import AgnesError, LimitError
from agnes.kernel.ports import ObjectStore, Secrets
from agnes.kernel.provider_web import ProviderRefused, ProviderWeb
from agnes.kernel.signing import Signing
from agnes.kernel.state import CURRENT_ACTOR, Change, State, Tx

log = logging.getLogger("agnes.directory")

SOURCES = {"google": GOOGLE_SYNC, "oidc": OIDC_SYNC}


@dataclass(frozen=True, slots=True)
class SigningOn:
    """What finishing a sign-on works with."""

    state: State
    store: ObjectStore
    web: ProviderWeb
    discovery: Discovery
    signing: Signing
    secrets: Secrets
    base_url: str
    google_subject: str
    """The administrator as whom Google is asked for groups."""
    google_mock_groups: str
    """Groups that everybody is in, instead of asking; with a comma between."""

    def finish(
        self, provider: Provider, query: Mapping[str, str], cookies: Mapping[str, str], *, now: datetime
    ) -> tuple[SignedIn, str]:
        """The new sign-in, and the path that the browser was on its way to.

        Raises SignOnRefused, AccountDeactivated, IdentityConflict, TooManyAttempts, ProviderUnreachable, ProviderRefused.
        """
        ip = CURRENT_ACTOR.get().client_ip
        limits.count_address(self.store, "sign-on", ip, limit=code_flow.CALLBACKS_A_MINUTE, now=now)
        answered = code_flow.finish(
            provider,
            self.discovery,
            self.web,
            self.signing,
            query=query,
            cookies=cookies,
            redirect_uri=code_flow.redirect_uri(self.base_url, provider.key),
            now=now,
        )
        claims = answered.claims
        if provider.key == "google" and provider.groups is not None:
            claims = self._with_google_groups(claims, now)
        return sign_on(self.state, self.store, provider, claims, now=now), answered.way_on

    def _with_google_groups(self, claims: Claims, now: datetime) -> Claims:
        """With the person's groups in Google Workspace; where they cannot be had, `groups_failed`."""
        if self.google_mock_groups:
            words = self.google_mock_groups.split(",")
            return replace(claims, groups=tuple(word.strip().lower() for word in words if word.strip()))
        try:
            key = self.secrets.get("google_service_account")
            if key is None:
                raise ProviderRefused("there is no secret `google_service_account`")
            groups = google_groups.groups_of(self.web, key, subject=self.google_subject, email=claims.email, now=now)
        except AgnesError as failed:
            log.warning("groups of a person from Google could not be read: %s", failed.message)
            return replace(claims, groups=None, groups_failed=True)
        return replace(claims, groups=groups)


def sign_on(state: State, store: ObjectStore, provider: Provider, claims: Claims, *, now: datetime) -> SignedIn:
    """A new sign-in. Where the account and its groups are as they were, nothing is committed.

    Raises SignOnRefused, AccountDeactivated, IdentityConflict.
    """
    wanted = _wanted(provider.groups, claims) if provider.groups is not None else None

    def change(tx: Tx) -> tuple[User, int]:
        user = identities.account_of(
            tx,
            issuer=claims.issuer,
            subject=claims.subject,
            email=claims.email,
            name=claims.name,
            managed_by=provider.key,
            now=now,
        )
        if wanted is not None and provider.groups is not None:
            source = SOURCES[provider.key]
            group_ids = directory_groups.groups_of(
                tx, (name for name in wanted if name not in _mapped(provider.groups)), source=source, now=now
            )
            if provider.groups.admin and provider.groups.admin in wanted:
                group_ids |= {ADMIN}
            directory_groups.sync_memberships(tx, user.id, group_ids, source=source, email=user.email, now=now)
            user = get_user(tx.db, user.id)
        return user, sign_ins.epoch_of(tx.db, user.id)

    user, epoch = state.commit("people", change, actor=replace(CURRENT_ACTOR.get(), email=claims.email))
    return sign_ins.start(store, user.id, user.email, is_admin=user.is_admin, epoch=epoch, method=provider.key, now=now)


def record_refusal(store: ObjectStore, key: ProviderKey, refused: AgnesError, *, now: datetime) -> None:
    """A line of the audit. Of whom is not recorded: nothing was proved. The limit of the route bounds how many there are."""
    if isinstance(refused, LimitError):
        return
    change = Change("login_failed", "user:", {"method": key, "reason": refused.code})
    audit.record(store, change, now=now, result=f"error.{refused.code}")


def _wanted(rules: GroupRules, claims: Claims) -> frozenset[str] | None:
    """The directory's groups that count here; None where memberships stay as they are. Raises SignOnRefused."""
    if claims.groups is None:
        if rules.prefix:
            raise SignOnRefused(
                "group_check_unavailable",
                "your groups could not be asked for",
                "Try again in a moment, or ask an admin.",
            )
        return None
    mapped = _mapped(rules)
    counting = frozenset(name for name in claims.groups if name.startswith(rules.prefix) or name in mapped)
    if rules.prefix and not counting:
        raise SignOnRefused("not_in_allowed_group", "you are in no group that may sign in here", "Ask an admin.")
    return counting


def _mapped(rules: GroupRules) -> frozenset[str]:
    return frozenset(name for name in (rules.admin, rules.everyone) if name)
