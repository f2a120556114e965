"""Which session a collected file is of: its path may say so, else its content."""

from __future__ import annotations

import re
from pathlib import PurePosixPath

import msgspec

from agnes.kernel.errors import BadRequestError
from agnes.telemetry import keys
from agnes.telemetry.extraction.records import UNREADABLE
from agnes.telemetry.keys import TranscriptId, transcript_id

NO_SESSION = "no_session_id"

_AGENT = re.compile(r"agent-(.+)\.jsonl")


def names_of(path: str) -> tuple[str | None, str | None]:
    """(session, agent) as the path tells: `<session>.jsonl`, `<session>/subagents/agent-<agent>.jsonl`, and in older
    clients `agent-<agent>.jsonl`, whose session only its content knows."""
    names = PurePosixPath(path).parts
    agent = _AGENT.fullmatch(names[-1])
    if agent is None:
        stem = names[-1].removesuffix(".jsonl").lower()
        return (stem if keys.is_session_id(stem) else None), None
    folder = names[-3].lower() if len(names) > 2 and names[-2] == "subagents" else ""
    return (folder if keys.is_session_id(folder) else None), agent[1]


def transcript_of(user_id: str, path: str, plain: bytes) -> TranscriptId:
    """Whose session and which file of it: from the names if they hold the session's UUID, else from the first record that
    states one. Raises InvalidSessionId, InvalidAgentId, BadRequestError."""
    session, agent = names_of(path)
    if session is None:
        session = _stated_session(plain)
    if session is None:
        raise BadRequestError("neither the name nor the content says which session it is", code=NO_SESSION)
    return transcript_id(user_id, session, agent)


class _Stating(msgspec.Struct):
    sessionId: str | None = None  # noqa: N815 (Claude Code's name)


def _stated_session(plain: bytes) -> str | None:
    for line in plain[:1_000_000].split(b"\n")[:200]:
        try:
            said = msgspec.json.decode(line, type=_Stating).sessionId
        except UNREADABLE:
            continue
        if said is not None and keys.is_session_id(said.lower()):
            return said
    return None
