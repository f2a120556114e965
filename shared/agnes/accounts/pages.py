"""The pages of signing in, and the cookie that they set."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar
from urllib.parse import urlencode

from agnes.accounts.rules import MAX_PASSWORD, MIN_PASSWORD, PENDING_LIFETIME, SESSION_LIFETIME
from agnes.kernel.cookies import set_cookie
from agnes.kernel.ports import Secret

COOKIE = "access_token"
PENDING_COOKIE = "agnes_code"

_MESSAGES = {
    "invalid_credentials": "The e-mail address or the password is wrong.",
    "account_deactivated": "This account is deactivated. Ask an admin.",
    "too_many_attempts": "Too many attempts. Wait a little, then try again.",
    "second_factor_invalid": "This code is wrong or was used already. Wait for the next one, or use a recovery code.",
    "google_not_configured": "Signing in with Google is not set up here.",
    "oidc_not_configured": "Single sign-on is not set up here.",
    "no_email": "Your identity provider does not say your e-mail address. Ask an admin.",
    "email_unverified": "Your e-mail address is not verified at your identity provider. Verify it there, then try again.",
    "domain_not_allowed": "Your account is not of a domain that may sign in here. Choose another account, or ask an admin.",
    "not_in_allowed_group": "You are in no group that may sign in here. Ask an admin.",
    "group_check_unavailable": "Your groups could not be checked just now. Try again in a moment.",
    "identity_conflict": "Your address belongs to somebody else's account here. Ask an admin.",
    "sign_on_expired": "This sign-in took too long or was begun in another browser. Sign in again.",
    "oauth_failed": "Your identity provider did not sign you in. Try again.",
    "identity_provider_unreachable": "Your identity provider does not answer just now. Try again in a moment.",
    "identity_provider_refused": "Your identity provider's answer cannot be used. Ask an admin.",
    "identity_provider_blocked": "The address of the identity provider is not allowed. Ask an admin.",
}


@dataclass(frozen=True)
class LoginPage:
    template: ClassVar[str] = "accounts/login.html"
    title: ClassVar[str] = "Sign in"
    next: str
    """The local path to go on to."""
    error: str = ""
    """Code of why the last attempt was refused; an unknown one shows nothing."""
    providers: Mapping[str, str] = field(default_factory=dict)
    """Identity providers that can be signed in with: key → what its button calls it."""

    @property
    def message(self) -> str:
        return _MESSAGES.get(self.error, "")


@dataclass(frozen=True)
class CodePage:
    """The second step of signing in."""

    template: ClassVar[str] = "accounts/code.html"
    title: ClassVar[str] = "Enter a code"
    next: str
    error: str = ""

    @property
    def message(self) -> str:
        return _MESSAGES.get(self.error, "")


@dataclass(frozen=True)
class SetupPage:
    template: ClassVar[str] = "accounts/setup.html"
    title: ClassVar[str] = "Set up"
    min_password: ClassVar[int] = MIN_PASSWORD
    max_password: ClassVar[int] = MAX_PASSWORD
    secret: str = field(repr=False)
    email: str = ""
    name: str = ""
    error: str = ""
    """Why the form was refused, as a sentence without its full stop."""
    status: int = 200


def pending_cookie(sealed: str, *, secure: bool, base_path: str) -> str:
    """Keeps who owes a code; an empty text forgets it."""
    seconds = int(PENDING_LIFETIME.total_seconds()) if sealed else 0
    return set_cookie(PENDING_COOKIE, sealed, path=base_path, seconds=seconds, secure=secure)


def code_path(way_on: str) -> str:
    return f"/login?{urlencode({'step': 'code', 'next': way_on})}"


def session_cookie(token: Secret | None, *, secure: bool, base_path: str) -> str:
    """The Set-Cookie value that keeps a session, or with None forgets it."""
    value, seconds = (token.value, int(SESSION_LIFETIME.total_seconds())) if token else ("", 0)
    return set_cookie(COOKIE, value, path=base_path, seconds=seconds, secure=secure)
