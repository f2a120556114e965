"""The pages of signing in, and the cookie that they set."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

from agnes.accounts.rules import MAX_PASSWORD, MIN_PASSWORD, SESSION_LIFETIME
from agnes.kernel.cookies import set_cookie
from agnes.kernel.ports import Secret

HOME = "/marketplace"
COOKIE = "access_token"

_MESSAGES = {
    "invalid_credentials": "The e-mail address or the password is wrong.",
    "account_deactivated": "This account is deactivated. Ask an admin.",
    "too_many_attempts": "Too many attempts. Wait a little, then try again.",
}


@dataclass(frozen=True)
class LoginPage:
    template: ClassVar[str] = "accounts/login.html"
    title: ClassVar[str] = "Sign in"
    next: str
    """The local path to go on to."""
    error: str = ""
    """Code of why the last attempt was refused; an unknown one shows nothing."""

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


def session_cookie(token: Secret | None, *, secure: bool, base_path: str) -> str:
    """The Set-Cookie value that keeps a session, or with None forgets it."""
    value, seconds = (token.value, int(SESSION_LIFETIME.total_seconds())) if token else ("", 0)
    return set_cookie(COOKIE, value, path=base_path, seconds=seconds, secure=secure)
