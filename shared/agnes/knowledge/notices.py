"""What people are told about knowledge: written in the transaction of what happened, read on pages, mailed by a schedule."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from agnes.kernel.ids import new_ulid
from agnes.kernel.principal import Principal
from agnes.kernel.state import Db, Tx, one_number
from agnes.knowledge.model import ADMINS

SHOWN = 100
KEEP = timedelta(days=180)


@dataclass(frozen=True, slots=True)
class Notice:
    id: str
    kind: str
    item_id: str
    text: str
    url: str
    """Below the base path."""
    at: datetime
    read_at: datetime | None


def put(db: Db, user_id: str, kind: str, text: str, *, item_id: str, url: str, at: datetime) -> None:
    db.execute(
        """INSERT INTO knowledge.notices (id, user_id, kind, item_id, text, url, told_at)
        VALUES (?, ?, ?, ?, ?, ?, ?)""",
        [new_ulid(at), user_id, kind, item_id, text, url, at],
    )


def of(db: Db, who: Principal, *, limit: int = SHOWN) -> list[Notice]:
    """One person's, the newest first; an admin's are also those for all admins."""
    rows = db.execute(
        """SELECT id, kind, item_id, text, url, told_at, read_at FROM knowledge.notices
        WHERE list_contains($to, user_id) ORDER BY told_at DESC, id DESC LIMIT $limit""",
        {"to": recipients(who), "limit": limit},
    ).fetchall()
    return [Notice(*row) for row in rows]


def unread(db: Db, who: Principal) -> int:
    return one_number(
        db,
        "SELECT count(*) FROM knowledge.notices WHERE list_contains($to, user_id) AND read_at IS NULL",
        {"to": recipients(who)},
    )


def set_read(tx: Tx, who: Principal, at: datetime) -> None:
    tx.db.execute(
        "UPDATE knowledge.notices SET read_at = $at WHERE read_at IS NULL AND list_contains($to, user_id)",
        {"at": at, "to": recipients(who)},
    )


def was_told(db: Db, kind: str, *, since: datetime) -> bool:
    """Whether admins were told something of this kind since then."""
    return (
        db.execute(
            "SELECT 1 FROM knowledge.notices WHERE kind = ? AND user_id = ? AND told_at >= ? LIMIT 1",
            [kind, ADMINS, since],
        ).fetchone()
        is not None
    )


def prune(tx: Tx, *, before: datetime) -> None:
    tx.db.execute("DELETE FROM knowledge.notices WHERE told_at < ?", [before])


def recipients(who: Principal) -> list[str]:
    return [who.user_id, ADMINS] if who.is_admin else [who.user_id]
