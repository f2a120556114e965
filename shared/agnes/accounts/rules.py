"""What an e-mail address, a name, a password, a lifetime and a way back may be."""

from __future__ import annotations

import hashlib
import re
import secrets
from collections.abc import Iterable
from datetime import datetime, timedelta

from agnes.kernel.errors import BadRequestError
from agnes.kernel.ports import Secret
from agnes.kernel.scopes import Scope

SESSION_PREFIX = "ags_"
TOKEN_PREFIX = "agp_"
SESSION_LIFETIME = timedelta(hours=24)
PENDING_LIFETIME = timedelta(minutes=5)
"""How long whoever proved a password, or opened a link, may take to type a code."""
LONGEST_TOKEN_LIFETIME = timedelta(days=3650)
WARN_BEFORE_END = timedelta(days=14)
"""How long before its end a token is said to end soon."""
LONGEST_BOOTSTRAP_LIFETIME = timedelta(hours=1)
MIN_PASSWORD, MAX_PASSWORD = 12, 1024
"""Characters. The upper bound keeps a body of megabytes away from Argon2."""
MIN_GUESSES = 10**8
"""By zxcvbn's estimate (its score 3): what withstands an attack on stolen hashes that are slow, as Argon2's are."""
MIN_OWN_CHARACTERS = 8
"""Beside the words that an attacker knows of the person: zxcvbn alone takes `grace.hopper` from Grace Hopper."""
_ESTIMATED_CHARACTERS = 72
"""zxcvbn takes no more; its time grows faster than the length."""

# "Valid e-mail address" of the HTML standard, in lower case; so no control or direction characters.
_LABEL = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
_EMAIL = re.compile(rf"[a-z0-9.!#$%&'*+/=?^_`{{|}}~-]{{1,64}}@{_LABEL}(?:\.{_LABEL})*")
_JOINERS = dict.fromkeys(map(ord, "\u200c\u200d"))  # unprintable, but needed to write Persian and Hindi names
_LOCAL_PATH = re.compile(r"/(?!/)[!-\[\]-~]*")  # printable ASCII but the backslash: it becomes a header


def email_of(text: str) -> str:
    """`text` as we keep addresses. Raises BadRequestError."""
    email = text.strip().lower()
    if len(email) > 254 or not _EMAIL.fullmatch(email):
        raise BadRequestError(
            "this is not an e-mail address", code="invalid_email", hint="Write it as name@example.com."
        )
    return email


def is_email(text: str) -> bool:
    return len(text) <= 254 and _EMAIL.fullmatch(text) is not None


def name_of(text: str, *, what: str = "name", longest: int = 200) -> str:
    """A name that is safe to show: one line, no control or direction characters. Raises BadRequestError."""
    name = text.strip()
    if not name:
        raise BadRequestError(f"the {what} is blank", code="blank_name")
    if len(name) > longest or not name.translate(_JOINERS).isprintable():
        raise BadRequestError(f"the {what} must be one line of at most {longest} printable characters", code="bad_name")
    return name


def check_password(password: Secret, *, about: Iterable[str]) -> None:
    """Raise BadRequestError for a password that is too short, too long, or easy to guess.

    `about` are words that an attacker knows of the person: e-mail address and name. Passwords that are among the most
    common ones, or made of such words, keyboard rows, dates or repetitions, are refused (zxcvbn).
    """
    if not MIN_PASSWORD <= len(password.value) <= MAX_PASSWORD:
        raise BadRequestError(
            f"a password has {MIN_PASSWORD} to {MAX_PASSWORD} characters",
            code="bad_password",
            hint="Choose another one.",
        )
    from zxcvbn import zxcvbn

    known = ["agnes", *(part for text in about for part in (text, *re.split(r"[^\w]+", text)) if len(part) > 2)]
    if len(_without(password.value, known)) < MIN_OWN_CHARACTERS:
        raise BadRequestError(
            "this password is made of your name or address", code="weak_password", hint="Add a few uncommon words."
        )
    estimate = zxcvbn(password.value[:_ESTIMATED_CHARACTERS], user_inputs=known)
    if estimate["guesses"] < MIN_GUESSES:
        said = estimate["feedback"]
        advice = said["warning"].rstrip(".") or "It resembles words that are tried first"
        raise BadRequestError(
            "this password is easy to guess", code="weak_password", hint=f"{advice}. Add a few uncommon words."
        )


def _without(password: str, words: Iterable[str]) -> str:
    """`password` without these words, whatever their case; the longest are taken out first."""
    for word in sorted(words, key=len, reverse=True):
        password = re.sub(re.escape(word), "", password, flags=re.IGNORECASE)
    return password


def expiry_of(now: datetime, *, days: int | None, ttl_seconds: int | None, scope: Scope) -> datetime | None:
    """When a token made now ends; None never. Seconds win over days; a bootstrap token lasts an hour at most."""
    if ttl_seconds is not None:
        wanted = _positive("ttl_seconds", ttl_seconds, timedelta(seconds=1))
    elif days is not None:
        wanted = _positive("expires_in_days", days, timedelta(days=1))
    else:
        wanted = None
    if scope == Scope.BOOTSTRAP:
        wanted = min(wanted or LONGEST_BOOTSTRAP_LIFETIME, LONGEST_BOOTSTRAP_LIFETIME)
    return None if wanted is None else now + wanted


def _positive(field: str, count: int, unit: timedelta) -> timedelta:
    if count <= 0:
        raise BadRequestError(f"{field} must be above 0", code="bad_lifetime")
    return min(count, LONGEST_TOKEN_LIFETIME // unit) * unit


def new_credential(prefix: str) -> Secret:
    """256 random bits, so a fast hash of it is enough to keep."""
    return Secret(prefix + secrets.token_urlsafe(32))


def hash_of(credential: Secret) -> str:
    return hashlib.sha256(credential.value.encode("utf-8", "surrogatepass")).hexdigest()


def local_path(text: str, *, otherwise: str) -> str:
    """`text` if it is a path of this site. Browsers drop tabs and read a backslash as a slash: neither may occur."""
    return text if _LOCAL_PATH.fullmatch(text) else otherwise
