"""Private sessions, in one place whatever the workspace: the folder of `agnes_cli.config`.

agnes-sessions-private.txt    `session_id`, or `session_id<TAB>uuid`: the first record's, by which forks are known
agnes-sessions-told.txt       session ids whose tombstone the server has

`agnes statusline` runs at each redraw, so this module imports nothing that it can do without.
"""

# Importing pathlib takes longer than all that a status line does:
# ruff: noqa: PTH103, PTH111, PTH113, PTH118, PTH123

from __future__ import annotations

import os

LIST = "agnes-sessions-private.txt"
TOLD = "agnes-sessions-told.txt"
NOTICES = "notices"
"""How many notices wait, as `agnes_cli.notice_count` writes it."""


def folder() -> str:
    """As `config.folder`, without its imports."""
    given = os.environ.get("AGNES_CONFIG_DIR")
    return os.path.expanduser(given) if given else os.path.join(os.path.expanduser("~"), ".config", "agnes")


def waiting_notices() -> int:
    """What the last command that asked the server knew; 0 where nothing is known."""
    try:
        with open(os.path.join(folder(), NOTICES)) as file:
            return int(file.read(9))
    except (OSError, ValueError):
        return 0


def private_ids() -> set[str]:
    return {line.partition("\t")[0] for line in _lines(LIST)}


def mark(session_id: str, path: str | None = None) -> bool:
    """Private from now on, with its forks once `path`, its transcript, has a record. False if all that was known."""
    root = _root(path) if path else None
    line = f"{session_id}\t{root}" if root else session_id
    if session_id in private_ids() and (root is None or line in _lines(LIST)):
        return False
    _append(LIST, line)
    return True


def descends(path: str) -> bool:
    """Whether a transcript holds records of a private session: a fork, or a session that was resumed under a new id."""
    lines = _lines(LIST)
    if not lines:
        return False
    known = {word.encode() for line in lines for word in line.split("\t") if word}
    return not known.isdisjoint(_identities(path))


def untold() -> list[str]:
    """Private sessions whose tombstone the server does not have yet, oldest first. A name that is no session's id, as
    older clients and hands have written, has nothing that the server could refuse."""
    from agnes_cli.transcripts import SESSION_ID

    told = set(_lines(TOLD))
    marked = dict.fromkeys(line.partition("\t")[0] for line in _lines(LIST))
    return [session for session in marked if session not in told and SESSION_ID.fullmatch(session)]


def note_told(session_id: str) -> None:
    _append(TOLD, session_id)


def transcript_of(session_id: str) -> str | None:
    """Where Claude Code keeps it, whatever its workspace."""
    projects = os.path.join(os.environ.get("CLAUDE_CONFIG_DIR") or os.path.expanduser("~/.claude"), "projects")
    try:
        found = [os.path.join(entry.path, f"{session_id}.jsonl") for entry in os.scandir(projects) if entry.is_dir()]
    except OSError:
        return None
    return next((path for path in found if os.path.isfile(path)), None)


def _identities(path: str) -> set[bytes]:
    """Ids of the sessions and records that a transcript names. JSON inside of a text has its quotes escaped, so that
    what a tool has printed is not taken for a record."""
    import re

    names = re.compile(rb'(?<!\\)"(?:sessionId|uuid)"\s*:\s*"([0-9a-fA-F-]{36})"')
    try:
        with open(path, "rb") as file:
            return {found for line in file for found in names.findall(line)}
    except OSError:
        return set()


def _root(path: str) -> str | None:
    """The uuid of the first record that has one: a fork begins with a copy of it."""
    import json

    try:
        with open(path, "rb") as file:
            for line in file:
                try:
                    said = json.loads(line)
                except (ValueError, RecursionError):
                    continue
                uuid = said.get("uuid") if isinstance(said, dict) else None
                if isinstance(uuid, str) and len(uuid) == 36:
                    return uuid
    except OSError:
        pass
    return None


def _lines(name: str) -> list[str]:
    try:
        with open(os.path.join(folder(), name), encoding="utf-8", errors="replace") as file:
            return [line for line in file.read().splitlines() if line]
    except (FileNotFoundError, NotADirectoryError):
        return []


def _append(name: str, line: str) -> None:
    os.makedirs(folder(), mode=0o700, exist_ok=True)
    fd = os.open(os.path.join(folder(), name), os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    with os.fdopen(fd, "ab") as file:
        file.write(f"{line}\n".encode())
        file.flush()
        os.fsync(file.fileno())
