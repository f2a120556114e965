"""Taking what came from redacted sessions out of the knowledge: evidence, and items that rest on nothing else.

Whoever redacts calls `forget_sessions` at once. Should they die before, the detector's next run finds sessions that telemetry no
longer has (`overdue`), and forgets them then. A session that was forgotten is never read again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from agnes.kernel.ports import ObjectStore
from agnes.kernel.state import Change, Db, State, Tx
from agnes.knowledge import changing, repository
from agnes.knowledge.model import FILE
from agnes.knowledge.transitions import Event, Status, allowed
from agnes.telemetry import service as telemetry
from agnes.telemetry.transcripts import tombstones


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
            AND status <> 'forgotten' LIMIT 1""",
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
    touched = [
        row[0]
        for row in tx.db.execute(
            """SELECT DISTINCT item_id FROM knowledge.evidence
            WHERE user_id = $user AND list_contains($sessions, session_id) ORDER BY item_id""",
            given,
        ).fetchall()
    ]
    quotes = len(
        tx.db.execute(
            """DELETE FROM knowledge.evidence WHERE user_id = $user AND list_contains($sessions, session_id)
            RETURNING id""",
            given,
        ).fetchall()
    )
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
    tx.record(
        Change(
            "knowledge.forget",
            f"user:{user_id}",
            {"sessions": len(sessions), "evidence": quotes, "items": gone},
        )
    )
    return Forgotten(len(sessions), quotes, len(gone))


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


def overdue(state: State, store: ObjectStore) -> dict[str, list[str]]:
    """Person → sessions with evidence that were redacted, and not forgotten here. One look at the ledger; the tombstones of a person
    are read only if it misses one of their sessions. Raises UnavailableError."""
    with state.read(FILE, "telemetry") as db:
        rows = db.execute(
            "SELECT DISTINCT user_id, session_id FROM knowledge.evidence WHERE session_id <> '' ORDER BY ALL"
        ).fetchall()
        missing = telemetry.unknown_sessions(db, [(row[0], row[1]) for row in rows])
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
    return found
