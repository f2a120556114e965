"""Files that `agnes init` puts into a workspace besides its hooks: CLAUDE.md from the server, a stub for own notes, and a page about the folder.

`.claude/init-complete` is written last, when everything else was done. It holds the SHA-256 of each file as it was written, so that a
later `init` renews what nobody changed, and `--undo` removes that only.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from agnes_cli import VERSION
from agnes_cli.tables.copies import replace_text
from agnes_cli.workspace import SENTINEL

CLAUDE, LOCAL, ABOUT = "CLAUDE.md", "CLAUDE.local.md", "AGNES_WORKSPACE.md"
LOCAL_TEXT = """\
# My notes

What you write here, Claude Code loads in this workspace. It stays on this computer: `agnes push` does not send it.
"""
ABOUT_TEXT = """\
# This folder

| path | what | who changes it |
|---|---|---|
| `CLAUDE.md` | what Claude Code is told about this workspace | `agnes init`, until you change it |
| `CLAUDE.local.md` | your own notes for Claude Code | you |
| `.claude/settings.json` | hooks and status line | `agnes init`, and you |
| `.claude/rules/km_*.md` | your organisation's knowledge | `agnes pull` |
| `server/parquet/` | copies of data tables | `agnes pull` |
| `user/duckdb/analytics.duckdb` | your own views and tables | you; `agnes pull` keeps its views of tables |
| `user/snapshots/` | parts of tables that you keep | `agnes snapshot` |

`agnes status` shows what is here, `agnes diagnose` what needs attention, `agnes init --undo` takes out what `agnes init` put in.
"""


@dataclass(frozen=True, slots=True)
class Written:
    """Names of files; `kept` are those that somebody changed, which were left as they are."""

    written: list[str] = field(default_factory=list)
    kept: list[str] = field(default_factory=list)
    backups: list[str] = field(default_factory=list)


def install(root: Path, claude_md: str | None, *, force: bool) -> Written:
    """Write what is not there or was not changed. `claude_md` is the server's text, if it was asked.

    `force` renews CLAUDE.md also where it was changed, and keeps that as `CLAUDE.md.<time>.bak`.
    """
    done = Written()
    known = hashes(root)
    texts = {LOCAL: LOCAL_TEXT, ABOUT: ABOUT_TEXT} | ({CLAUDE: claude_md} if claude_md is not None else {})
    for name, text in texts.items():
        path = root / name
        there = _read(path)
        if there == text:
            note(root, name, text)
            continue
        if there is not None and known.get(name) != _digest(there):
            if not (force and name == CLAUDE):
                if name == CLAUDE:
                    done.kept.append(name)
                continue
            backup = path.with_name(f"{name}.{datetime.now(UTC):%Y%m%dT%H%M%SZ}.bak")
            replace_text(backup, there)
            done.backups.append(backup.name)
        replace_text(path, text)
        note(root, name, text)
        done.written.append(name)
    return done


def complete(root: Path, server: str | None) -> None:
    """Say that everything is in place."""
    now = f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}"
    said = {"completed_at": now, "agnes_version": VERSION, "server_url": server, "files": hashes(root)}
    _write_sentinel(root, said)


def note(root: Path, name: str, text: str) -> None:
    """Remember how a file was written, before the rest is done: an interrupted `init` is gone on with."""
    said = _sentinel(root)
    files = said.get("files")
    said["files"] = (dict(files) if isinstance(files, Mapping) else {}) | {name: _digest(text)}
    _write_sentinel(root, said)


def is_complete(root: Path) -> bool:
    return bool(_sentinel(root).get("completed_at"))


def remove(root: Path) -> list[str]:
    """Remove what nobody changed, and the sentinel; names of what went."""
    known = hashes(root)
    gone = []
    for name, digest in known.items():
        path = root / name
        if name in (CLAUDE, LOCAL, ABOUT) and (there := _read(path)) is not None and _digest(there) == digest:
            path.unlink()
            gone.append(name)
    (root / ".claude" / SENTINEL).unlink(missing_ok=True)
    return gone


def hashes(root: Path) -> dict[str, str]:
    files = _sentinel(root).get("files")
    return {str(name): str(digest) for name, digest in files.items()} if isinstance(files, dict) else {}


def _sentinel(root: Path) -> dict[str, Any]:
    try:
        said = json.loads((root / ".claude" / SENTINEL).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return said if isinstance(said, dict) else {}


def _write_sentinel(root: Path, said: dict[str, Any]) -> None:
    folder = root / ".claude"
    folder.mkdir(parents=True, exist_ok=True)
    replace_text(folder / SENTINEL, json.dumps(said, indent=2) + "\n")


def _read(path: Path) -> str | None:
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError):
        return ""  # something is there, and somebody else wrote it


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
