"""What a route asks of the person who calls it."""

from __future__ import annotations

from enum import StrEnum


class Needs(StrEnum):
    PUBLIC = "public"
    """Anybody; `who` is None."""
    LOGIN = "login"
    """An active account: cookie, bearer or personal access token."""
    PERSON = "person"
    """As LOGIN, but not by a personal access token: what a leaked token must not do."""
    ADMIN = "admin"
    """A member of Admin."""
    OPERATOR = "operator"
    """A member of Admin, or the operator's token (SCHEDULER_API_TOKEN). Job routes only."""
    DIRECTORY = "directory"
    """A token of the scope `scim` whose owner is a member of Admin: a directory that provisions accounts."""
    BASIC = "git"
    """As LOGIN, and HTTP Basic with the token as the password."""
