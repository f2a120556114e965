"""How far each session was read: which turns, by whom now, and what went wrong. Rows of `knowledge.readings`."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from agnes.kernel.state import Db, Tx
from agnes.knowledge.model import FILE

WAITING, READ, FAILED, FORGOTTEN = "waiting", "read", "failed", "forgotten"
LEASE = timedelta(minutes=15)
MARK = 8
MAX_ATTEMPTS = 8
FIRST_WAIT = timedelta(minutes=15)
"""After the first failure; twice as long after each further one, a day at most."""


@dataclass(frozen=True, slots=True)
class Reading:
    user_id: str
    session_id: str
    version: str
    status: str
    turns: str
    first_turn: str
    attempts: int
    reason: str
    lease_owner: str
    lease_until: datetime | None
    next_at: datetime
    facts: int
    refused: int
    input_tokens: int
    output_tokens: int
    plain_bytes: int
    changed_at: datetime


_COLUMNS = ", ".join(Reading.__slots__)


def of_sessions(db: Db, sessions: Sequence[tuple[str, str]]) -> dict[tuple[str, str], Reading]:
    if not sessions:
        return {}
    rows = db.execute(
        f"""SELECT {_COLUMNS} FROM knowledge.readings SEMI JOIN
        (SELECT unnest($users) AS user_id, unnest($sessions) AS session_id) USING (user_id, session_id)""",  # noqa: S608 (constant)
        {"users": [user for user, _ in sessions], "sessions": [session for _, session in sessions]},
    ).fetchall()
    return {(row[0], row[1]): Reading(*row) for row in rows}


def find(db: Db, user_id: str, session_id: str) -> Reading | None:
    return of_sessions(db, [(user_id, session_id)]).get((user_id, session_id))


def due(db: Db, now: datetime, *, limit: int) -> list[Reading]:
    """That wait, whose time has come, and that nobody reads now; those first that wait longest."""
    rows = db.execute(
        f"""SELECT {_COLUMNS} FROM knowledge.readings WHERE status = 'waiting' AND next_at <= $now
        AND (lease_until IS NULL OR lease_until <= $now) ORDER BY changed_at, user_id, session_id LIMIT $limit""",  # noqa: S608 (constant)
        {"now": now, "limit": limit},
    ).fetchall()
    return [Reading(*row) for row in rows]


def counts(db: Db) -> dict[str, int]:
    rows = db.execute("SELECT status, count(*) FROM knowledge.readings GROUP BY status").fetchall()
    return {status: int(count) for status, count in rows}


def failed(db: Db, *, limit: int = 100) -> list[Reading]:
    """Dead letters, the newest first."""
    rows = db.execute(
        f"SELECT {_COLUMNS} FROM knowledge.readings WHERE status = 'failed' ORDER BY changed_at DESC LIMIT ?",  # noqa: S608 (constant)
        [limit],
    ).fetchall()
    return [Reading(*row) for row in rows]


def marks_of_forks(db: Db, user_id: str, first_turn: str) -> frozenset[str]:
    """Marks of turns that were read in any session of the person that begins with the same turn."""
    if not first_turn:
        return frozenset()
    rows = db.execute(
        "SELECT turns FROM knowledge.readings WHERE first_turn = ? AND user_id = ?", [first_turn, user_id]
    ).fetchall()
    return frozenset(mark for (turns,) in rows for mark in split(turns))


def split(turns: str) -> list[str]:
    return [turns[at : at + MARK] for at in range(0, len(turns), MARK)]


def seen_until(db: Db) -> datetime | None:
    row = db.execute("SELECT seen_until FROM knowledge.progress").fetchone()
    return row[0] if row else None


def wait_for(tx: Tx, found: Iterable[tuple[str, str, str, int]], *, seen_until: datetime | None, at: datetime) -> None:
    """Put sessions, (user, session, version, plain bytes), among those that wait; what is forgotten stays so."""
    for user_id, session_id, version, plain_bytes in found:
        known = find(tx.db, user_id, session_id)
        if known is not None and (known.status == FORGOTTEN or known.version == version):
            continue
        if known is None:
            tx.db.execute(
                """INSERT INTO knowledge.readings (user_id, session_id, version, status, turns, first_turn, attempts, reason,
                lease_owner, lease_until, next_at, facts, refused, input_tokens, output_tokens, plain_bytes, changed_at)
                VALUES (?, ?, ?, 'waiting', '', '', 0, '', '', NULL, ?, 0, 0, 0, 0, ?, ?)""",
                [user_id, session_id, version, at, plain_bytes, at],
            )
        else:
            tx.db.execute(
                """UPDATE knowledge.readings SET version = ?, status = 'waiting', attempts = 0, reason = '', next_at = ?,
                plain_bytes = ?, changed_at = ? WHERE user_id = ? AND session_id = ?""",
                [version, at, plain_bytes, at, user_id, session_id],
            )
    if seen_until is not None:
        tx.db.execute("UPDATE knowledge.progress SET seen_until = ?", [seen_until])


def take(tx: Tx, user_id: str, session_id: str, *, worker: str, at: datetime) -> Reading | None:
    """Hold a session's reading for a while; None if it does not wait, or somebody else holds it."""
    found = find(tx.db, user_id, session_id)
    if found is None or found.status != WAITING or (found.lease_until is not None and found.lease_until > at):
        return None
    tx.db.execute(
        "UPDATE knowledge.readings SET lease_owner = ?, lease_until = ? WHERE user_id = ? AND session_id = ?",
        [worker, at + LEASE, user_id, session_id],
    )
    return found


def is_held(tx: Tx, user_id: str, session_id: str, worker: str) -> bool:
    """Whether this worker still holds it: nobody has forgotten it or taken it over."""
    found = find(tx.db, user_id, session_id)
    return found is not None and found.status == WAITING and found.lease_owner == worker


def note_chunk(
    tx: Tx,
    user_id: str,
    session_id: str,
    *,
    marks: Sequence[str],
    first_turn: str,
    facts: int,
    refused: int,
    input_tokens: int,
    output_tokens: int,
    until: datetime,
) -> None:
    tx.db.execute(
        """UPDATE knowledge.readings SET turns = turns || ?, first_turn = ?, facts = facts + ?, refused = refused + ?,
        input_tokens = input_tokens + ?, output_tokens = output_tokens + ?, lease_until = ?
        WHERE user_id = ? AND session_id = ?""",
        ["".join(marks), first_turn, facts, refused, input_tokens, output_tokens, until, user_id, session_id],
    )


def end(tx: Tx, user_id: str, session_id: str, *, status: str, reason: str = "", at: datetime) -> None:
    """Read, or never to be read: its attempts are over."""
    tx.db.execute(
        """UPDATE knowledge.readings SET status = ?, reason = ?, attempts = 0, lease_owner = '', lease_until = NULL,
        changed_at = ? WHERE user_id = ? AND session_id = ?""",
        [status, reason, at, user_id, session_id],
    )


def give_back(tx: Tx, found: Reading, *, reason: str, counts: bool, at: datetime) -> str:
    """Let it be tried again, later each time; it fails for good after MAX_ATTEMPTS. Its status after that."""
    attempts = found.attempts + counts
    if attempts >= MAX_ATTEMPTS:
        end(tx, found.user_id, found.session_id, status=FAILED, reason=reason, at=at)
        return FAILED
    wait = min(FIRST_WAIT * 2 ** max(0, attempts - 1), timedelta(days=1)) if counts else timedelta()
    tx.db.execute(
        """UPDATE knowledge.readings SET attempts = ?, reason = ?, next_at = ?, lease_owner = '', lease_until = NULL
        WHERE user_id = ? AND session_id = ?""",
        [attempts, reason, at + wait, found.user_id, found.session_id],
    )
    return WAITING


def put_off(tx: Tx, sessions: Sequence[tuple[str, str]], *, until: datetime) -> None:
    """Not before then: their messages are in the queue."""
    tx.db.execute(
        """UPDATE knowledge.readings SET next_at = $until WHERE EXISTS (
            SELECT 1 FROM (SELECT unnest($users) AS u, unnest($sessions) AS s) w
            WHERE w.u = readings.user_id AND w.s = readings.session_id)""",
        {"until": until, "users": [user for user, _ in sessions], "sessions": [session for _, session in sessions]},
    )


__all__ = ["FAILED", "FILE", "FORGOTTEN", "READ", "WAITING", "Reading"]
