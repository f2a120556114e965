"""SQL over what admins set."""

from __future__ import annotations

from datetime import datetime

from agnes.configuration.model import StoredValue
from agnes.kernel.state import Db


def stored(db: Db) -> dict[str, StoredValue]:
    """By path."""
    rows = db.execute("SELECT path, value, updated_at, updated_by FROM people.configuration ORDER BY path").fetchall()
    return {path: StoredValue(value, at, by) for path, value, at, by in rows}


def put(db: Db, path: str, value: str, *, by: str, now: datetime) -> None:
    remove(db, path)
    db.execute(
        "INSERT INTO people.configuration (path, value, updated_at, updated_by) VALUES (?, ?, ?, ?)",
        [path, value, now, by],
    )


def remove(db: Db, path: str) -> None:
    db.execute("DELETE FROM people.configuration WHERE path = ?", [path])
