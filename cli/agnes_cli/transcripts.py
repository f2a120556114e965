"""Where Claude Code keeps transcripts, and which files belong to one session."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

SESSION_ID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_AGENT = re.compile(r"agent-([A-Za-z0-9][A-Za-z0-9_-]{0,63})\.jsonl")


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
    """The session's transcript and those of its subagents: in its own folder, or (older clients) beside it."""
    own = [File(path, session_id)] if path.is_file() else []
    inside = sorted((path.with_suffix("") / "subagents").glob("agent-*.jsonl"))
    beside = [agent for agent in sorted(path.parent.glob("agent-*.jsonl")) if _said_session(agent) == session_id]
    agents = [(agent, _AGENT.fullmatch(agent.name)) for agent in (*inside, *beside)]
    return own + [File(agent, session_id, matched[1]) for agent, matched in agents if matched]


def named(path: Path) -> tuple[str, Path] | None:
    """(session id, its main transcript) of a path that somebody names: either kind of file. None if it is neither."""
    if _AGENT.fullmatch(path.name):
        session = path.parent.parent if path.parent.name == "subagents" else None
        session_id = session.name if session is not None else _said_session(path)
        if session_id is None or not SESSION_ID.fullmatch(session_id):
            return None
        return session_id, (session or path.parent / session_id).with_suffix(".jsonl")
    if path.suffix == ".jsonl" and SESSION_ID.fullmatch(path.stem):
        return path.stem, path
    return None


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
