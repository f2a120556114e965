"""Notes of the inbox, and what else of telemetry has a digest of its own (`agnes.kernel.sealed`)."""

from __future__ import annotations

import json

from agnes.kernel.sealed import Unsealed, opened, put_away, seal
from agnes.telemetry.keys import TranscriptId

__all__ = ["Unsealed", "note", "opened", "put_away", "seal"]


def note(key: str, which: TranscriptId) -> bytes:
    """A note of the inbox: this transcript is new or has changed, or its session was redacted."""
    said = {"user_id": which.user_id, "session_id": which.session_id, "file": which.file}
    return seal(key, json.dumps(said).encode())
