"""Taking what came from redacted sessions out of the knowledge: evidence, and items that rest on nothing else.

Whoever redacts calls `forget_sessions` at once. Should they die before, the detector's next run finds sessions that telemetry no
longer has (`overdue`), and forgets them then. A session that was forgotten is never read again.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from agnes.kernel.ports import ObjectStore
from agnes.kernel.state import Change, Db, State, Tx
from agnes.knowledge import changing, helping, repository
from agnes.knowledge.model import FILE
from agnes.knowledge.transitions import Event, Status, allowed
from agnes.telemetry import service as telemetry
from agnes.telemetry.transcripts import tombstones

CHECKED_AGAIN = timedelta(days=1)
"""Sessions that were pruned are missing for good; whoever redacts one forgets it in the same request."""


@dataclass(frozen=True, slots=True)
class Overdue:
    sessions: dict[str, list[str]]
    """Person → sessions that were redacted and are not forgotten here."""
    checked: str
    """Digest of missing sessions of which none was redacted, to be remembered; empty if there is nothing to remember."""


@dataclass(frozen=True, slots=True)
class Forgotten:
    sessions: int = 0
    evidence: int = 0
    items: int = 0
    """That rested on nothing else, and are gone."""


def forget_sessions(state: State, user_id: str, sessions: Sequence[str], *, now: datetime) -> Forgotten:
    """Forget these sessions of a person. Repeated, it finds nothing. Raises UnavailableError."""
    if not sessions:
        return Forgotten()
    with state.read(FILE) as db:
        if not _is_anything_of(db, user_id, sessions):
            return Forgotten()
    return state.commit(FILE, lambda tx: forget(tx, user_id, list(sessions), at=now))


def _is_anything_of(db: Db, user_id: str, sessions: Sequence[str]) -> bool:
    return (
        db.execute(
            """SELECT 1 FROM knowledge.evidence WHERE user_id = $user AND list_contains($sessions, session_id)
            UNION ALL SELECT 1 FROM knowledge.readings WHERE user_id = $user AND list_contains($sessions, session_id)
            AND status <> 'forgotten'
            UNION ALL SELECT 1 FROM knowledge.loads WHERE user_id = $user AND list_contains($sessions, session_id) LIMIT 1""",
            {"user": user_id, "sessions": list(sessions)},
        ).fetchone()
        is not None
    )


def forget(tx: Tx, user_id: str, sessions: Sequence[str], *, at: datetime) -> Forgotten:
    given = {"user": user_id, "sessions": list(sessions)}
    tx.db.execute(
        """UPDATE knowledge.readings SET status = 'forgotten', turns = '', first_turn = '', reason = '', lease_owner = '',
        lease_until = NULL, facts = 0, changed_at = $at
        WHERE user_id = $user AND list_contains($sessions, session_id) AND status <> 'forgotten'""",
        {**given, "at": at},
    )
    helping.forget(tx, user_id, sessions)
    quotes, gone = _remove_evidence(tx, "user_id = $user AND list_contains($sessions, session_id)", given, at)
    tx.record(
        Change(
            "knowledge.forget",
            f"user:{user_id}",
            {"sessions": len(sessions), "evidence": quotes, "items": gone},
        )
    )
    return Forgotten(len(sessions), quotes, len(gone))


def forget_notes(state: State, user_id: str, *, now: datetime) -> Forgotten:
    """Forget a person's notes and what came from them. Repeated, it finds nothing. Raises UnavailableError."""
    with state.read(FILE) as db:
        if not db.execute(
            """SELECT 1 FROM knowledge.notes WHERE user_id = $user
            UNION ALL SELECT 1 FROM knowledge.evidence WHERE user_id = $user AND kind = 'note' LIMIT 1""",
            {"user": user_id},
        ).fetchall():
            return Forgotten()

    def change(tx: Tx) -> Forgotten:
        given = {"user": user_id}
        tx.db.execute("DELETE FROM knowledge.notes WHERE user_id = $user", given)
        quotes, gone = _remove_evidence(tx, "user_id = $user AND kind = 'note'", given, now)
        tx.record(Change("knowledge.forget", f"user:{user_id}", {"notes": True, "evidence": quotes, "items": gone}))
        return Forgotten(0, quotes, len(gone))

    return state.commit(FILE, change)


def _remove_evidence(tx: Tx, where: str, given: dict[str, Any], at: datetime) -> tuple[int, list[str]]:
    """(how many quotes, ids of the items that rested on nothing else and are gone)."""
    removed = tx.db.execute(f"DELETE FROM knowledge.evidence WHERE {where} RETURNING item_id", given).fetchall()  # noqa: S608 (constants)
    touched = sorted({row[0] for row in removed})
    quotes = len(removed)
    left: dict[str, list[str]] = {}
    for one in repository.evidence(tx.db, touched):
        left.setdefault(one.item_id, []).append(one.user_id)
    gone = [item_id for item_id in touched if item_id not in left]
    for item in repository.items(tx.db, sorted(left)):
        if item.author_id not in left[item.id]:
            repository.change_item(tx.db, item.id, {"author_id": left[item.id][0]})
    if gone:
        _return_what_they_superseded(tx, gone, at)
        repository.remove_items(tx.db, gone)
    return quotes, gone


def _return_what_they_superseded(tx: Tx, gone: Sequence[str], at: datetime) -> None:
    """Nothing has the place of these items any more: an admin looks at them again."""
    rows = tx.db.execute(
        "SELECT id FROM knowledge.items WHERE list_contains($gone, superseded_by) AND NOT list_contains($gone, id)",
        {"gone": list(gone)},
    ).fetchall()
    for item in repository.items(tx.db, [row[0] for row in rows]):
        if item.status == Status.SUPERSEDED and Event.RETURN in allowed(item.status):
            changing.move(
                tx,
                item,
                Event.RETURN,
                user_id="",
                at=at,
                reason="the item in its place was removed",
                changes={"superseded_by": None, "valid_until": None},
            )


def overdue(state: State, store: ObjectStore, *, now: datetime) -> Overdue:
    """Person → sessions with evidence or loads that were redacted, and not forgotten here. One look at the ledger; the tombstones of a person
    are read only if it misses one of their sessions. Raises UnavailableError."""
    with state.read(FILE, "telemetry") as db:
        rows = db.execute(
            """SELECT user_id, session_id FROM knowledge.evidence WHERE session_id <> ''
            UNION SELECT user_id, session_id FROM knowledge.loads ORDER BY ALL"""
        ).fetchall()
        missing = telemetry.unknown_sessions(db, [(row[0], row[1]) for row in rows])
        checked = db.execute("SELECT missing, missing_at FROM knowledge.progress").fetchone()
    digest = hashlib.sha256(repr(sorted(missing)).encode()).hexdigest() if missing else ""
    if checked is not None and checked[0] == digest and checked[1] > now - CHECKED_AGAIN:
        return Overdue({}, "")
    found: dict[str, list[str]] = {}
    for user_id in sorted({user for user, _ in missing}):
        known = tombstones.of_user(store, user_id)
        sessions = [
            session
            for user, session in missing
            if user == user_id and (session in known.sessions or (known.before and session not in known.pruned))
        ]
        if sessions:
            found[user_id] = sessions
    return Overdue(found, digest if missing and not found else "")


def note_checked(state: State, digest: str, *, now: datetime) -> None:
    """Remember that none of these missing sessions was redacted."""
    sql = "UPDATE knowledge.progress SET missing = ?, missing_at = ?"
    state.commit(FILE, lambda tx: tx.db.execute(sql, [digest, now]) and None)
