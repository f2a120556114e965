"""Where Claude Code keeps transcripts, and which files belong to one session."""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

SESSION_ID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
SUBAGENTS = "subagents"

_AGENT = re.compile(r"agent-(.+)\.jsonl", re.DOTALL)
_AGENT_PART = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")
_MAX_AGENT_CHARS = 180


@dataclass(frozen=True)
class File:
    """One file of a session; `agent_id` is None for the session's own."""

    path: Path
    session_id: str
    agent_id: str | None = None

    @property
    def mark(self) -> str:
        """Changes when the file does."""
        stat = self.path.stat()
        return f"{stat.st_size}\t{stat.st_mtime_ns}"


def files_of(session_id: str, path: Path) -> list[File]:
    """The session's transcript and those of its subagents: in its own folder at any depth (workflows have folders of
    their own), or (older clients) beside it."""
    own = [File(path, session_id)] if path.is_file() else []
    root = path.with_suffix("") / SUBAGENTS
    inside = [(agent, agent.relative_to(root).parts[:-1]) for agent in _below(root)]
    beside = [(agent, ()) for agent in sorted(path.parent.glob("agent-*.jsonl")) if _said_session(agent) == session_id]
    found: dict[str, File] = {}
    for agent, folders in (*inside, *beside):
        if (matched := _AGENT.fullmatch(agent.name)) and agent.is_file():
            agent_id = agent_id_of(folders, matched[1])
            found.setdefault(agent_id, File(agent, session_id, agent_id))
    return own + list(found.values())


def agent_id_of(folders: Sequence[str], name: str) -> str:
    """As `agnes.telemetry.keys.agent_id_of` at the server: `workflows/wf_9f/agent-w1.jsonl` is `workflows.wf_9f.w1`."""
    parts = [part if _AGENT_PART.fullmatch(part) else _hashed(part) for part in (*folders, name)]
    found = ".".join(parts)
    if len(parts) > 9 or len(found) > _MAX_AGENT_CHARS:
        found = f"{_hashed('/'.join(folders))}.{parts[-1]}"
    return _hashed(name) if found == "main" else found


def _hashed(text: str) -> str:
    readable = re.sub(r"[^A-Za-z0-9]+", "-", text).strip("-")[:40] or "agent"
    return f"{readable}-{hashlib.sha256(text.encode('utf-8', 'surrogateescape')).hexdigest()[:8]}"


def _below(root: Path) -> list[Path]:
    """Transcripts of subagents in a folder and in its folders, never through a link."""
    found: list[Path] = []
    for folder, inner, names in os.walk(root):
        inner.sort()
        found += [Path(folder, name) for name in sorted(names) if _AGENT.fullmatch(name)]
    return found


def named(path: Path) -> tuple[str, Path] | None:
    """(session id, its main transcript) of a path that somebody names: either kind of file. None if it is neither."""
    if _AGENT.fullmatch(path.name):
        session = _session_folder(path)
        session_id = session.name if session is not None else _said_session(path)
        if session_id is None or not SESSION_ID.fullmatch(session_id):
            return None
        return session_id, (session or path.parent / session_id).with_suffix(".jsonl")
    if path.suffix == ".jsonl" and SESSION_ID.fullmatch(path.stem):
        return path.stem, path
    return None


def _session_folder(path: Path) -> Path | None:
    """The session's own folder, of a subagent's transcript at any depth below its `subagents`."""
    holding = (folder for folder in path.parents if folder.name == SUBAGENTS)
    return next((folder.parent for folder in holding if SESSION_ID.fullmatch(folder.parent.name)), None)


def in_folder(folder: Path) -> Iterator[tuple[str, Path]]:
    """(session id, transcript) of every session in a folder."""
    for path in sorted(folder.glob("*.jsonl")):
        if SESSION_ID.fullmatch(path.stem):
            yield path.stem, path


def project_folders(workspace: Path) -> list[Path]:
    """Claude Code's folders for a workspace; older clients wrote `_` and `.` as they are."""
    home = Path(os.environ.get("CLAUDE_CONFIG_DIR") or Path.home() / ".claude") / "projects"
    cwd = str(workspace.resolve())
    names = dict.fromkeys((re.sub(r"[^A-Za-z0-9]", "-", cwd), cwd.replace("/", "-")))
    return [home / name for name in names if (home / name).is_dir()]


def _said_session(path: Path) -> str | None:
    try:
        with path.open("rb") as file:
            said = json.loads(file.readline(1 << 20)).get("sessionId")
    except (OSError, ValueError, AttributeError, RecursionError):
        return None
    return said if isinstance(said, str) else None
