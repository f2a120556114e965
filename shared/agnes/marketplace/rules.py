"""What a marketplace may be called and where it may be: pure checks, each raising BadRequestError."""

from __future__ import annotations

import ipaddress
import re
from urllib.parse import urlsplit

from agnes.kernel.errors import BadRequestError

SLUG = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")
PLUGIN_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")
"""The client sets no bound; this one is what a folder, an address and a grant take."""
RESERVED_SLUGS = frozenset({"agnes", "curated", "flea", "git-cache", "store", "store-bundle", "sync-all"})
"""Words that routes and the folders of the feed use for something else."""

_EMAIL = re.compile(r"[^@\s]{1,64}@[^@\s]{1,255}")
# What git-check-ref-format(1) forbids in a branch name.
_BAD_BRANCH = re.compile(r"[\x00-\x20\x7f~^:?*\[\\]|\.\.|@\{|//|^[-/]|/$|\.$|\.lock$|/\.|^\.")
_FULL_SHA = re.compile(r"[0-9a-f]{40}")
_TOKEN = re.compile(r"[\x21-\x7e]{1,1000}")
MAX_NAME, MAX_URL, MAX_BRANCH, MAX_DESCRIPTION = 200, 500, 200, 4_000


def slug(given: str) -> str:
    """The slug in lower case."""
    lowered = given.strip().lower()
    if not SLUG.fullmatch(lowered):
        raise BadRequestError(
            "the slug must be 1 to 64 of a-z, 0-9, _ and -, and begin with a letter or digit", code="invalid_slug"
        )
    if lowered in RESERVED_SLUGS:
        raise BadRequestError(f"the slug {lowered} is reserved", code="reserved_slug", hint="Choose another.")
    return lowered


_GENERIC_NAMES = frozenset({"plugins", "marketplace", "claude-plugins", "claude-code-plugins", "claude-marketplace"})
"""Repositories of so many owners have these names that a slug says the owner too."""


def slug_of(address: str) -> str:
    """The slug that a repository's address suggests: its name, with its owner's before it where many have that name."""
    place = re.sub(r"^([a-z]+://|[^/@]*@)", "", address.strip().lower())
    parts = [part for part in re.split(r"[/:]", place) if part]
    words = [re.sub(r"[^a-z0-9_-]+", "-", part.removesuffix(".git")).strip("-_") for part in parts[-2:]]
    repository = words[-1] if words else ""
    if len(words) == 2 and (repository in _GENERIC_NAMES or repository in RESERVED_SLUGS):
        repository = f"{words[0]}-{repository}"
    return slug(repository[:64])


def name(given: str) -> str:
    text = given.strip()
    if not text or len(text) > MAX_NAME or not text.isprintable():
        raise BadRequestError(f"the name must be 1 to {MAX_NAME} printable characters", code="invalid_name")
    return text


def description(given: str | None) -> str:
    text = (given or "").strip()
    if len(text) > MAX_DESCRIPTION:
        raise BadRequestError(
            f"the description is longer than {MAX_DESCRIPTION} characters", code="invalid_description"
        )
    return text


def curator(curator_name: str, curator_email: str) -> tuple[str, str]:
    """Who answers for a marketplace; both are needed."""
    person, email = curator_name.strip(), curator_email.strip()
    if not person or len(person) > MAX_NAME or not person.isprintable():
        raise BadRequestError("a marketplace needs the name of its curator", code="curator_required")
    if not _EMAIL.fullmatch(email):
        raise BadRequestError("a marketplace needs the e-mail address of its curator", code="invalid_curator_email")
    return person, email


def branch(given: str | None) -> str | None:
    """A branch name, None for the repository's own HEAD."""
    text = (given or "").strip()
    if not text:
        return None
    if len(text) > MAX_BRANCH or _BAD_BRANCH.search(text):
        raise BadRequestError("this is not a branch name that git takes", code="invalid_branch")
    return text


def ref(given: str | None) -> str | None:
    """A pin: a tag's name or a full commit id; None for none."""
    text = (given or "").strip()
    if not text:
        return None
    if _FULL_SHA.fullmatch(text.lower()):
        return text.lower()
    if len(text) > MAX_BRANCH or text.startswith("refs/") or _BAD_BRANCH.search(text):
        raise BadRequestError(
            "a pin is a tag's name or a full commit id of 40 hexadecimal digits",
            code="invalid_ref",
            hint="Write the tag without refs/tags/, or the whole commit id.",
        )
    return text


def git_ref(branch: str | None, pin: str | None) -> str:
    """What to ask git for."""
    if pin:
        return pin if _FULL_SHA.fullmatch(pin) else f"refs/tags/{pin}"
    return f"refs/heads/{branch}" if branch else "HEAD"


def one_of(branch: str | None, pin: str | None) -> None:
    """Raise unless at most one is given."""
    if branch and pin:
        raise BadRequestError(
            "a marketplace follows a branch or is pinned, not both",
            code="branch_and_ref",
            hint="Send an empty `branch` with a `ref`, or an empty `ref` with a `branch`.",
        )


def token(given: str) -> str:
    if not _TOKEN.fullmatch(given):
        raise BadRequestError("the token must be 1 to 1000 printable ASCII characters", code="invalid_token")
    return given


def url(given: str, allow: frozenset[str]) -> str:
    """A git URL that may be fetched. Names are resolved, and judged again, at each sync."""
    text = given.strip()
    if not text or len(text) > MAX_URL or not text.isprintable() or not text.isascii() or " " in text:
        raise BadRequestError(f"the URL must be 1 to {MAX_URL} printable ASCII characters", code="invalid_url")
    try:
        parts = urlsplit(text)
        host, _ = parts.hostname, parts.port
    except ValueError as exc:
        raise BadRequestError("this is not a URL", code="invalid_url") from exc
    if parts.scheme != "https" and not (parts.scheme in ("http", "file") and parts.scheme in allow):
        raise BadRequestError(
            f"the URL must begin with https:// and not with {parts.scheme or 'nothing'}",
            code="url_scheme",
            hint="Copy the HTTPS clone URL. An operator may allow more: AGNES_OUTBOUND_ALLOW.",
        )
    if parts.username is not None or parts.password is not None:
        raise BadRequestError("the URL holds credentials", code="url_has_credentials", hint="Send them as `token`.")
    if parts.query or parts.fragment:
        raise BadRequestError("a git URL has no query and no fragment", code="invalid_url")
    if parts.scheme == "file":
        return text
    if not host or len(parts.path) < 2:
        raise BadRequestError("the URL names no repository", code="invalid_url")
    if "private" not in allow and _is_private(host):
        raise BadRequestError(
            f"the host {host} is private",
            code="url_private",
            hint="An operator may allow it: AGNES_OUTBOUND_ALLOW=private.",
        )
    return text


def origin(git_url: str) -> tuple[str, str]:
    """Scheme and host with port: who would get the token."""
    parts = urlsplit(git_url)
    return parts.scheme.lower(), parts.netloc.lower()


def _is_private(host: str) -> bool:
    if host == "localhost" or host.endswith((".localhost", ".local", ".internal")):
        return True
    try:
        return not ipaddress.ip_address(host.partition("%")[0]).is_global
    except ValueError:
        return False
