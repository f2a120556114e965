"""The workspace's `CLAUDE.local.md`: `agnes push` sends it when it has changed, and colleagues may get what is of use to them.

A note with the line `<!-- agnes: private -->` stays on this computer; so does one that is longer than the server takes. What was sent
last is in `.claude/agnes-note.txt`, as a digest.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from agnes_cli.failures import Refused

SENT = "agnes-note.txt"
MAX_NOTE = 100_000
"""Characters; the server takes no more."""
_PRIVATE = re.compile(r"<!--\s*agnes:\s*private\s*-->")


def text_of(root: Path) -> str:
    """What may be sent: empty if there is no note, or if it is private or too long."""
    parts = []
    for file in (root / "CLAUDE.local.md", root / ".claude" / "CLAUDE.local.md"):
        try:
            parts.append(file.read_text(encoding="utf-8", errors="replace"))
        except OSError:
            continue
    text = "\n\n".join(parts)
    return "" if _PRIVATE.search(text) or len(text) > MAX_NOTE else text.strip()


def is_due(root: Path) -> bool:
    """Whether the note differs from what was sent last; an empty one is sent only to withdraw another."""
    text = text_of(root)
    sent = _sent(root)
    return _digest(text) != sent if text else sent not in ("", _digest(""))


def send(root: Path, connect: Callable[[], Any]) -> bool:
    """Send the note if it has changed; whether it was. Raises Failure: then the next push sends it."""
    if not is_due(root):
        return False
    text = text_of(root)
    try:
        with connect() as server:
            server.put("/api/knowledge/notes", {"workspace": workspace_id(root), "content": text})
    except Refused as failure:
        if failure.status == 404:  # a server of an earlier release takes no notes
            return False
        raise
    file = root / ".claude" / SENT
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(_digest(text), encoding="utf-8")
    return True


def workspace_id(root: Path) -> str:
    """Tells this workspace from the person's others, and says nothing else of its path."""
    return hashlib.sha256(f"agnes-workspace\n{root.absolute()}".encode("utf-8", "surrogateescape")).hexdigest()[:16]


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()


def _sent(root: Path) -> str:
    try:
        return (root / ".claude" / SENT).read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError):
        return ""
