"""What people are told of: a line for each thing that happened to what they share, and for admins what waits for them.

Written in the transaction of what happened, so neither is there without the other. Pages and the command show them; a schedule
mails what nobody has read (`unmailed`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from agnes.flea.model import ADMINS
from agnes.kernel.calls import registered
from agnes.kernel.ids import new_ulid
from agnes.kernel.principal import Principal
from agnes.kernel.state import Db, State, Tx, one_number

SHOWN = 100
KEEP = timedelta(days=180)


@dataclass(frozen=True, slots=True)
class Notice:
    id: str
    user_id: str
    kind: str
    entity_id: str
    submission_id: str
    text: str
    url: str
    """Below the base path."""
    at: datetime
    read_at: datetime | None


@dataclass(frozen=True, slots=True)
class Notices:
    """One person's, the newest first; `unread` counts all of them."""

    items: list[Notice]
    unread: int


def put(
    db: Db, user_id: str, kind: str, text: str, *, at: datetime, url: str, entity_id: str = "", submission_id: str = ""
) -> None:
    db.execute(
        """INSERT INTO flea.notices (id, user_id, kind, entity_id, submission_id, text, url, told_at)
        VALUES (?, ?, ?, ?, ?, ?, ?, ?)""",
        [new_ulid(at), user_id, kind, entity_id, submission_id, text, url, at],
    )


def of(db: Db, who: Principal, *, limit: int = SHOWN) -> Notices:
    rows = db.execute(
        """SELECT id, user_id, kind, entity_id, submission_id, text, url, told_at, read_at FROM flea.notices
        WHERE list_contains($to, user_id) ORDER BY told_at DESC, id DESC LIMIT $limit""",
        {"to": _recipients(who), "limit": limit},
    ).fetchall()
    return Notices([Notice(*row) for row in rows], unread(db, who))


def unread(db: Db, who: Principal) -> int:
    return one_number(
        db,
        "SELECT count(*) FROM flea.notices WHERE list_contains($to, user_id) AND read_at IS NULL",
        {"to": _recipients(who)},
    )


def mark_read(state: State, who: Principal, *, now: datetime) -> None:
    """All of a person's. What is for every admin is read once any of them has read it."""
    with state.read("flea") as db:
        if not unread(db, who):
            return
    state.commit("flea", set_read(recipients=_recipients(who), at=now))


@registered("flea.notices.set_read")
def set_read(tx: Tx, *, recipients: list[str], at: datetime) -> None:
    tx.db.execute(
        "UPDATE flea.notices SET read_at = $at WHERE read_at IS NULL AND told_at <= $at AND list_contains($to, user_id)",
        {"at": at, "to": recipients},
    )


def unmailed(db: Db, *, since: datetime) -> list[Notice]:
    """What nobody has read or was sent, the oldest first."""
    rows = db.execute(
        """SELECT id, user_id, kind, entity_id, submission_id, text, url, told_at, read_at FROM flea.notices
        WHERE read_at IS NULL AND mailed_at IS NULL AND told_at >= ? ORDER BY user_id, told_at, id""",
        [since],
    ).fetchall()
    return [Notice(*row) for row in rows]


def set_mailed(tx: Tx, ids: Sequence[str], *, at: datetime) -> None:
    tx.db.execute("UPDATE flea.notices SET mailed_at = $at WHERE list_contains($ids, id)", {"at": at, "ids": list(ids)})


def count_before(db: Db, before: datetime) -> int:
    return one_number(db, "SELECT count(*) FROM flea.notices WHERE told_at < ?", [before])


def prune(tx: Tx, *, before: datetime) -> int:
    count = count_before(tx.db, before)
    if count:
        tx.db.execute("DELETE FROM flea.notices WHERE told_at < ?", [before])
    return count


def _recipients(who: Principal) -> list[str]:
    return [who.user_id, ADMINS] if who.is_admin else [who.user_id]
