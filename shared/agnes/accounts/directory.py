"""Who is who: names and addresses of accounts, for the domains that show people beside what they did."""

from __future__ import annotations

from collections.abc import Collection
from typing import NamedTuple

from agnes.kernel.state import Db, one_number

RELATION = "(SELECT id, email, name, active FROM people.users)"
"""Every account as a relation of SQL, for a join with many rows: its columns are what other domains may use."""


class Named(NamedTuple):
    email: str
    name: str


def named(db: Db, user_ids: Collection[str] | None = None) -> dict[str, Named]:
    """User id → address and name, of everybody or of some, disabled accounts too."""
    rows = db.execute(
        "SELECT id, email, name FROM people.users WHERE $ids IS NULL OR list_contains($ids, id)",
        {"ids": None if user_ids is None else sorted(user_ids)},
    ).fetchall()
    return {user_id: Named(email, name) for user_id, email, name in rows}


def active(db: Db) -> dict[str, Named]:
    """The same of every active account."""
    rows = db.execute("SELECT id, email, name FROM people.users WHERE active").fetchall()
    return {user_id: Named(email, name) for user_id, email, name in rows}


def count_active(db: Db) -> int:
    return one_number(db, "SELECT count(*) FROM people.users WHERE active")


def find_id(db: Db, email: str) -> str | None:
    """The id of the account with an address, in large or small letters."""
    row = db.execute("SELECT id FROM people.users WHERE email = lower(?)", [email]).fetchone()
    return str(row[0]) if row else None


def shown(db: Db, user_id: str) -> str:
    """The address of an account, or the id where there is none any more: sessions outlive their account."""
    found = named(db, [user_id]).get(user_id)
    return found.email if found else user_id
