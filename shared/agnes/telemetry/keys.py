"""Every key of telemetry in the object store, built here and nowhere else.

uploads/<user_id>/<session_id>/<file>-<sha256>.zst      what a client PUT, until it says that it is complete
sessions/<user_id>/<session_id>/main.jsonl.zst | agents/<agent>.jsonl.zst
inbox/<ulid>.json                                       a transcript is new or has changed, or its session was redacted
inbox/batches/<ulid>.json | prepared/<ulid>.json        work that a queue's consumers have, and what they have found
inbox/aside/<ulid>.json                                 the same, of a reprocessing: until nothing of it is missing
tombstones/<user_id>.json | <user_id>.copy.json         sessions of a person that are not taken again, twice
quotas/<user_id>.json                                   how much of a person is stored (transcripts.quotas)
quarantine/<user_id>/<session_id>/<file>.json           why a transcript is not counted
exports/<ulid>/<filename>                               large exports, for a day
exports/<ulid>/status.json | <attempt>/<filename>       the same of exports in the background: what became of it, its files
downloads/<user_id>/<ulid>/<filename>                   large transcripts and archives of a person, for a day
telemetry/events/day=YYYY-MM-DD/<generation>.parquet    immutable
telemetry/current/sessions.parquet                      which events count, for other engines (docs/scale.md)
telemetry/prepared/<ulid>.parquet                       events of a prepared batch, until they are published
telemetry/rollups/<rollup>/day=YYYY-MM-DD/<generation>.parquet
telemetry/damaged/<hash>.json                           a note: somebody could not read an object of the lake
damaged/<key>                                           the bytes of a damaged object, for 30 days
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from hashlib import sha256
from pathlib import PurePosixPath
from typing import NamedTuple

from agnes.kernel.errors import BadRequestError
from agnes.kernel.ids import time_of

INBOX = "inbox/"
SESSIONS = "sessions/"
QUARANTINE = "quarantine/"
BATCHES = "inbox/batches/"
PREPARED = "inbox/prepared/"
ASIDE = "inbox/aside/"
UPLOADS = "uploads/"
TOMBSTONES = "tombstones/"
EVENTS = "telemetry/events/"
ROLLUPS = "telemetry/rollups/"
PREPARED_EVENTS = "telemetry/prepared/"
EXPORTS = "exports/"
DOWNLOADS = "downloads/"
CURRENT = "telemetry/current/sessions.parquet"
LAKE = "telemetry/"
DAMAGE_NOTES = "telemetry/damaged/"
DAMAGED = "damaged/"
CLAIM = "jobs/telemetry.extract/claim.json"
MAIN = "main"
PACKED = ".jsonl.zst"

_UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
_AGENT_PART = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")
AGENT = r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}(?:\.[A-Za-z0-9][A-Za-z0-9_-]{0,63}){0,8}"
"""A subagent's id: of a file in a folder below `subagents`, with the folders' names before it."""
MAX_AGENT_CHARS = 180
_AGENT = re.compile(AGENT)
_USER = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")


class InvalidSessionId(BadRequestError):
    code = "invalid_session_id"

    def __init__(self, given: str) -> None:
        super().__init__(
            f"{given[:80]!r} is no session's id", hint="It is a UUID: the name of the transcript without `.jsonl`."
        )


class InvalidAgentId(BadRequestError):
    code = "invalid_agent_id"

    def __init__(self, given: str) -> None:
        super().__init__(
            f"{given[:80]!r} is no subagent's id",
            hint="It is the `<id>` of `agent-<id>.jsonl`, behind the names of folders below `subagents`, joined by dots.",
        )


class SessionId(NamedTuple):
    """A session of a person: session ids alone are the client's, and two people may send the same."""

    user_id: str
    session_id: str


@dataclass(frozen=True, slots=True, order=True)
class TranscriptId:
    """One file of a session of a user; `file` is `main` or a subagent's id."""

    user_id: str
    session_id: str
    file: str = MAIN

    @property
    def session(self) -> SessionId:
        return SessionId(self.user_id, self.session_id)

    @property
    def key(self) -> str:
        folder = f"sessions/{self.user_id}/{self.session_id}"
        return f"{folder}/main.jsonl.zst" if self.file == MAIN else f"{folder}/agents/{self.file}.jsonl.zst"

    @property
    def quarantine_key(self) -> str:
        return f"quarantine/{self.user_id}/{self.session_id}/{self.file}.json"

    def staging_key(self, sha256_hex: str) -> str:
        return f"uploads/{self.user_id}/{self.session_id}/{self.file}-{sha256_hex}.zst"


def transcript_id(user_id: str, session_id: str, agent_id: str | None = None) -> TranscriptId:
    """Checked: what comes from a client never becomes a key in any other form.

    Raises InvalidSessionId or InvalidAgentId.
    """
    if not is_session_id(session_id.lower()):
        raise InvalidSessionId(session_id)
    if agent_id is not None and (len(agent_id) > MAX_AGENT_CHARS or not _AGENT.fullmatch(agent_id) or agent_id == MAIN):
        raise InvalidAgentId(agent_id)
    return TranscriptId(user(user_id), session_id.lower(), agent_id or MAIN)


def agent_id_of(folders: Sequence[str], name: str) -> str:
    """The id of the subagent whose file is `subagents/<folders>/agent-<name>.jsonl`: `workflows/wf_9f/agent-w1.jsonl` is
    `workflows.wf_9f.w1`, so that agents of one name in two folders stay two. What an id cannot hold is replaced, with a
    hash of it behind, and so is a path that is too long. `agnes_cli.transcripts` makes the same ids."""
    parts = [_agent_part(part) for part in (*folders, name)]
    found = ".".join(parts)
    if len(parts) > 9 or len(found) > MAX_AGENT_CHARS:
        found = f"{_hashed('/'.join(folders))}.{parts[-1]}"
    return _hashed(name) if found == MAIN else found


def agent_path(agent_id: str) -> tuple[str, str]:
    """(folders below `subagents`, file name) of a subagent's id, as Claude Code has them: ("workflows/wf_9f/",
    "agent-w1.jsonl")."""
    *folders, name = agent_id.split(".")
    return "".join(f"{folder}/" for folder in folders), f"agent-{name}.jsonl"


def _agent_part(text: str) -> str:
    return text if _AGENT_PART.fullmatch(text) else _hashed(text)


def _hashed(text: str) -> str:
    readable = re.sub(r"[^A-Za-z0-9]+", "-", text).strip("-")[:40] or "agent"
    return f"{readable}-{sha256(text.encode('utf-8', 'surrogateescape')).hexdigest()[:8]}"


def is_session_id(text: str) -> bool:
    """Whether it is a UUID in lower case."""
    return _UUID.fullmatch(text) is not None


def user(user_id: str) -> str:
    """Raises BadRequestError."""
    if not _USER.fullmatch(user_id):
        raise BadRequestError(
            f"{user_id[:80]!r} is nobody who has sessions",
            code="no_person",
            hint="It is an account's id: `agnes admin user list` shows them.",
        )
    return user_id


def session_of(filename: str) -> str:
    """The session's id of an uploaded file's name, `<uuid>.jsonl`; folders in it are ignored, never followed."""
    name = PurePosixPath(filename.replace("\\", "/")).name
    return name.removesuffix(".jsonl")


def transcript_of(key: str) -> TranscriptId | None:
    """The transcript whose key it is; None if it is none's."""
    folder, _, rest = key.partition("/")
    parts = rest.split("/")
    if f"{folder}/" != SESSIONS or len(parts) < 3 or not key.endswith(PACKED):
        return None
    found = TranscriptId(parts[0], parts[1], parts[-1].removesuffix(PACKED))
    return found if found.key == key else None


def quota(user_id: str) -> str:
    return f"quotas/{user_id}.json"


def tombstones(user_id: str) -> str:
    return f"tombstones/{user_id}.json"


def tombstones_copy(user_id: str) -> str:
    return f"tombstones/{user_id}.copy.json"


def folders_of_user(user_id: str) -> tuple[str, ...]:
    """Prefixes of everything of a person that is stored as it arrived, names what arrived, or was prepared from it."""
    return (*_arrived(user_id), f"{DOWNLOADS}{user_id}/")


def folders_of_session(user_id: str, session_id: str) -> tuple[str, ...]:
    """All downloads of the person are among them: an archive holds every session."""
    return (*(f"{folder}{session_id}/" for folder in _arrived(user_id)), f"{DOWNLOADS}{user_id}/")


def _arrived(user_id: str) -> tuple[str, ...]:
    return tuple(f"{prefix}/{user_id}/" for prefix in ("sessions", "uploads", "quarantine"))


def noted_at(key: str) -> datetime:
    """When a note of the inbox was written."""
    return time_of(key.removeprefix(INBOX).removesuffix(".json"))


def inbox(ulid: str) -> str:
    return f"{INBOX}{ulid}.json"


def batch(ulid: str) -> str:
    return f"{BATCHES}{ulid}.json"


def prepared(ulid: str) -> str:
    return f"{PREPARED}{ulid}.json"


def aside(ulid: str) -> str:
    return f"{ASIDE}{ulid}.json"


def prepared_events(ulid: str) -> str:
    return f"telemetry/prepared/{ulid}.parquet"


def export(ulid: str, filename: str) -> str:
    return f"{EXPORTS}{ulid}/{filename}"


def export_status(ulid: str) -> str:
    return f"{EXPORTS}{ulid}/status.json"


def export_part(ulid: str, attempt: str, filename: str) -> str:
    return f"{EXPORTS}{ulid}/{attempt}/{filename}"


def download(user_id: str, ulid: str, filename: str) -> str:
    return f"{DOWNLOADS}{user_id}/{ulid}/{filename}"


def damage_note(key: str) -> str:
    return f"{DAMAGE_NOTES}{sha256(key.encode()).hexdigest()[:32]}.json"


def damaged(key: str) -> str:
    """Where the bytes of a damaged object are moved."""
    return f"{DAMAGED}{key}"


def day_of(key: str) -> date | None:
    """Of an event file or a rollup; None for another key."""
    found = re.search(r"/day=(\d{4}-\d\d-\d\d)/", key)
    return date.fromisoformat(found[1]) if found else None


def kind_of(key: str) -> str:
    """`event file`, or `rollup`."""
    return "rollup" if key.startswith(ROLLUPS) else "event file"


def events(day: date, generation: str) -> str:
    return f"telemetry/events/day={day.isoformat()}/{generation}.parquet"


def rollup(name: str, day: date, generation: str) -> str:
    return f"telemetry/rollups/{name}/day={day.isoformat()}/{generation}.parquet"
