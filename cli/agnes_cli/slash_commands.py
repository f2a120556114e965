"""The slash commands that `agnes init` writes into `.claude/commands`. One that somebody wrote or changed is theirs."""

from __future__ import annotations

from pathlib import Path

UPDATE = """\
---
description: Bring the plugins of your Agnes stack up to date
allowed-tools: Bash(agnes refresh-marketplace:*)
---

Run `agnes refresh-marketplace` once and tell me in one or two sentences what it changed or why it could not.
If it installed or updated anything, ask me to run /reload-plugins.
"""
"""What a session start that finds something new points at."""

PRIVATE = """\
---
description: Make this session private, so that Agnes never gets it (no way back)
allowed-tools: Bash(agnes mark-private:*)
disable-model-invocation: true
---

!`agnes mark-private`

Say in one sentence whether the line above reports that this session is private. Do nothing else.
"""
"""The client runs the line with the exclamation mark before the model is asked."""

FILES = {"update-agnes-plugins.md": UPDATE, "agnes-private.md": PRIVATE}


def install(folder: Path) -> list[str]:
    """Write those that are not there; their names."""
    written = []
    for name, text in FILES.items():
        if _found(folder / name) is None:
            folder.mkdir(parents=True, exist_ok=True)
            (folder / name).write_text(text, encoding="utf-8")
            written.append(name)
    return written


def remove(folder: Path) -> list[str]:
    """Remove those that are as we wrote them, and a folder that is empty then; their names."""
    removed = [name for name, text in FILES.items() if _found(folder / name) == text]
    for name in removed:
        (folder / name).unlink()
    if removed and not any(folder.iterdir()):
        folder.rmdir()
    return removed


def missing(folder: Path) -> list[str]:
    return [name for name in FILES if _found(folder / name) is None]


def _found(path: Path) -> str | None:
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError):
        return ""  # something is there, and it is not ours
