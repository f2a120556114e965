"""Which session a collected file is of: its path may say so, else its content."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import PurePosixPath

import msgspec

from agnes.kernel.errors import BadRequestError
from agnes.telemetry import keys
from agnes.telemetry.extraction.records import BYTE_ORDER_MARK, UNREADABLE
from agnes.telemetry.keys import TranscriptId, transcript_id

NO_SESSION = "no_session_id"
NO_TRANSCRIPT = "not_a_transcript"

_AGENT = re.compile(r"agent-(.+)\.jsonl", re.DOTALL)
SUBAGENTS = "subagents"


def names_of(path: str) -> tuple[str | None, str | None]:
    """(session, agent) as the path tells: `<session>.jsonl`, `<session>/subagents/…/agent-<agent>.jsonl` at any depth, and
    in older clients `agent-<agent>.jsonl`, whose session only its content knows."""
    *folders, name = PurePosixPath(path).parts
    agent = _AGENT.fullmatch(name)
    if agent is None:
        stem = name.removesuffix(".jsonl").lower()
        return (stem if keys.is_session_id(stem) else None), None
    session, below = _subagents(folders)
    return session, keys.agent_id_of(below, agent[1])


def is_beside(path: str) -> bool:
    """Whether a file below a session's `subagents` is no transcript: a workflow's `journal.jsonl`."""
    *folders, name = PurePosixPath(path).parts
    return _AGENT.fullmatch(name) is None and _subagents(folders)[0] is not None


def _subagents(folders: Sequence[str]) -> tuple[str | None, Sequence[str]]:
    """(session, folders below its `subagents`), of a path's folders; (None, ()) if there is no such folder."""
    for at in range(len(folders) - 1, 0, -1):
        session = folders[at - 1].lower()
        if folders[at] == SUBAGENTS and keys.is_session_id(session):
            return session, folders[at + 1 :]
    return None, ()


def transcript_of(user_id: str, path: str, plain: bytes) -> TranscriptId:
    """Whose session and which file of it: from the names if they hold the session's UUID, else from the first record that
    states one. Raises InvalidSessionId, InvalidAgentId, BadRequestError."""
    if is_beside(path):
        raise BadRequestError("it is among a session's subagents, and is no transcript of one", code=NO_TRANSCRIPT)
    session, agent = names_of(path)
    if session is None:
        session = _stated_session(plain)
    if session is None:
        raise BadRequestError("neither the name nor the content says which session it is", code=NO_SESSION)
    return transcript_id(user_id, session, agent)


class _Stating(msgspec.Struct):
    sessionId: str | None = None  # noqa: N815 (Claude Code's name)


def _stated_session(plain: bytes) -> str | None:
    for line in plain[:1_000_000].removeprefix(BYTE_ORDER_MARK.encode()).split(b"\n")[:200]:
        try:
            said = msgspec.json.decode(line, type=_Stating).sessionId
        except UNREADABLE:
            continue
        if said is not None and keys.is_session_id(said.lower()):
            return said
    return None
