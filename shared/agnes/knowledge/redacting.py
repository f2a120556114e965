"""Redaction as people ask for it: a session out of telemetry, and what came from it out of the knowledge."""

from __future__ import annotations

from agnes.kernel.ports import Clock, ObjectStore
from agnes.kernel.state import State
from agnes.knowledge import forgetting
from agnes.knowledge.model import FILE
from agnes.telemetry.extraction import redaction
from agnes.telemetry.extraction.redaction import Redacted


def redact_session(state: State, store: ObjectStore, user_id: str, session_id: str, *, clock: Clock) -> Redacted:
    """Remove one session for good. Raises what `redaction.redact_session` raises."""
    done = redaction.redact_session(state, store, user_id, session_id, clock=clock)
    forgetting.forget_sessions(state, done.user_id, done.sessions, now=clock.now())
    return done


def redact_user(state: State, store: ObjectStore, user_id: str, *, clock: Clock) -> Redacted:
    """Remove every session of a person, and what came from their notes. Raises what `redaction.redact_user` raises."""
    done = redaction.redact_user(state, store, user_id, clock=clock)
    with state.read(FILE) as db:
        rows = db.execute(
            """SELECT session_id FROM knowledge.readings WHERE user_id = $user UNION
            SELECT session_id FROM knowledge.evidence WHERE user_id = $user AND session_id <> ''""",
            {"user": done.user_id},
        ).fetchall()
    forgetting.forget_sessions(
        state, done.user_id, sorted({*done.sessions, *(row[0] for row in rows)}), now=clock.now()
    )
    forgetting.forget_notes(state, done.user_id, now=clock.now())
    return done
