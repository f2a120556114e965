"""Which shared knowledge a session began with, so that admins see whether it helps. All in `<workspace>/.claude`.

agnes-knowledge.json            ids of the items that the last pull wrote
agnes-sessions-knowledge.txt    `session_id<TAB>id,id,…`: sessions whose items the server does not know yet
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Collection, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from agnes_cli.failures import Refused

ITEMS = "agnes-knowledge.json"
SESSIONS = "agnes-sessions-knowledge.txt"
AT_ONCE = 100
"""Sessions in one request; the server takes no more."""
_ID = re.compile(r"[A-Za-z0-9_-]{1,128}")


def write(root: Path, items: Sequence[str]) -> None:
    """Remember what the workspace's rule files hold."""
    file = root / ".claude" / ITEMS
    if not items and not file.exists():
        return
    file.parent.mkdir(parents=True, exist_ok=True)
    made = file.with_suffix(f".{os.getpid()}.tmp")
    made.write_text(json.dumps({"items": [item for item in items if _ID.fullmatch(item)]}), encoding="utf-8")
    made.replace(file)


def note(root: Path, session_id: str) -> None:
    """A session begins: it loads what lies in the workspace now. Never fails."""
    with suppress(OSError, ValueError, KeyError, TypeError):
        items = json.loads((root / ".claude" / ITEMS).read_text(encoding="utf-8"))["items"]
        kept = [item for item in items if isinstance(item, str) and _ID.fullmatch(item)]
        if kept:
            with (root / ".claude" / SESSIONS).open("a", encoding="utf-8") as file:
                file.write(f"{session_id}\t{','.join(kept)}\n")


def tell(root: Path, sent: Collection[str], private: Collection[str], connect: Callable[[], Any]) -> None:
    """Tell the server of sessions whose transcripts it has, and forget private ones. The caller holds the workspace's lock for pushes.

    Raises Failure; then the next push tells it.
    """
    file = root / ".claude" / SESSIONS
    try:
        lines = file.read_text(encoding="utf-8", errors="replace").split("\n")
    except OSError:
        return
    sessions = {session: items for session, tab, items in (line.partition("\t") for line in lines) if tab}
    due = {
        session: items.split(",") for session, items in sessions.items() if session in sent and session not in private
    }
    names = sorted(due)
    for at in range(0, len(names), AT_ONCE):
        try:
            with connect() as server:
                server.put("/api/knowledge/loads", {"sessions": {name: due[name] for name in names[at : at + AT_ONCE]}})
        except Refused as failure:
            if failure.status not in (400, 404):  # an older server, or lines that somebody wrote: they are of no use
                raise
    told = due.keys() | set(private)
    _drop(file, told)


def _drop(file: Path, told: Collection[str]) -> None:
    """Without the lines of these sessions; what a hook has appended meanwhile stays."""
    with suppress(OSError):
        lines = file.read_text(encoding="utf-8", errors="replace").split("\n")
        left = [line for line in lines if line and line.partition("\t")[0] not in told]
        if len(left) < len([line for line in lines if line]):
            made = file.with_suffix(f".{os.getpid()}.tmp")
            made.write_text("".join(f"{line}\n" for line in left), encoding="utf-8")
            made.replace(file)
