"""People's notes, `CLAUDE.local.md` as `agnes push` sends it: what is new in them waits to be read.

A note arrives whole; secrets and personal data are removed before anything is stored, and only blocks that were not read before are kept,
until they are read. `note_reading` makes proposals of them.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from agnes.kernel.errors import BadRequestError
from agnes.kernel.principal import Principal
from agnes.kernel.state import Db, Tx
from agnes.knowledge import conversation, readings, scrubbing
from agnes.knowledge.context import Knowledge
from agnes.knowledge.model import FILE
from agnes.knowledge.repository import normal

MAX_NOTE = 100_000
"""Characters of a note; the client loads far shorter ones only."""
MAX_BLOCK = 1_500
NOTES_A_RUN = 20
WORKSPACE = re.compile(r"[0-9a-f]{16}")


@dataclass(frozen=True, slots=True)
class Block:
    """A paragraph or a point of a list, with the headings above it."""

    section: str
    text: str

    @property
    def mark(self) -> str:
        return hashlib.sha256(normal(f"{self.section}\n{self.text}").encode()).hexdigest()[: readings.MARK]


@dataclass(frozen=True, slots=True)
class Received:
    """What became of a note that was sent."""

    new_blocks: int
    """That wait to be read."""
    known_blocks: int


@dataclass(frozen=True, slots=True)
class Note:
    """A row of the notes that waits."""

    user_id: str
    workspace: str
    sha256: str
    marks: str
    blocks: list[Block]
    attempts: int


# A note arrives


def receive(k: Knowledge, who: Principal, workspace: str, content: str) -> Received:
    """Keep what is new in a note. An empty one withdraws what was not read yet. Raises BadRequestError, ScanFailed: then the note has to be
    sent again."""
    if not WORKSPACE.fullmatch(workspace):
        raise BadRequestError(
            "a workspace has 16 hexadecimal digits", code="invalid_workspace", hint="Use `agnes push`."
        )
    if len(content) > MAX_NOTE:
        raise BadRequestError(
            f"the note has {len(content):,} characters, the limit is {MAX_NOTE:,}",
            code="note_too_long",
            hint="Claude Code loads it with every session: keep it short.",
        )
    digest = hashlib.sha256(content.encode("utf-8", "replace")).hexdigest()
    with k.state.read(FILE) as db:
        known = find(db, who.user_id, workspace)
    if known is not None and known.sha256 == digest:
        return Received(0, len(readings.split(known.marks)))
    blocks = list({block.mark: block for block in blocks_of(scrubbing.scrub(content, k.scanners).text)}.values())
    at = k.clock.now()

    def write(tx: Tx) -> Received:
        before = find(tx.db, who.user_id, workspace)
        read = set(readings.split(before.marks)) if before else set()
        kept = "".join(block.mark for block in blocks if block.mark in read)
        new = [block for block in blocks if block.mark not in read]
        tx.db.execute("DELETE FROM knowledge.notes WHERE user_id = ? AND workspace = ?", [who.user_id, workspace])
        tx.db.execute(
            """INSERT INTO knowledge.notes (user_id, workspace, sha256, marks, blocks, status, attempts, reason, lease_owner,
            lease_until, next_at, facts, refused, changed_at) VALUES (?, ?, ?, ?, ?, ?, 0, '', '', NULL, ?, 0, 0, ?)""",
            [who.user_id, workspace, digest, kept, as_json(new), readings.WAITING if new else readings.READ, at, at],
        )
        return Received(len(new), len(blocks) - len(new))

    return k.state.commit(FILE, write)


def blocks_of(text: str) -> list[Block]:
    """The note's own words by paragraphs and points of lists; without code, quoted lines and comments."""
    found: list[Block] = []
    headings: dict[int, str] = {}
    begun: list[str] = []

    def end() -> None:
        said = "\n".join(begun).strip()
        begun.clear()
        section = " / ".join(headings[level] for level in sorted(headings))[:200]
        found.extend(Block(section, part) for part in _parts(said))

    for line in conversation.own_words(_COMMENT.sub("", text)).split("\n"):
        heading = _HEADING.match(line)
        if heading is not None:
            end()
            level = len(heading[1])
            headings = {one: name for one, name in headings.items() if one < level} | {level: heading[2].strip()}
        elif line.strip() in ("", "[pasted]"):
            end()
        else:
            if _POINT.match(line):
                end()
            begun.append(line)
    end()
    return found


_COMMENT = re.compile(r"<!--.*?(?:-->|\Z)", re.DOTALL)
_HEADING = re.compile(r"(#{1,6})\s+(.{1,200})")
_POINT = re.compile(r"(?:[-*+]|\d{1,3}[.)])\s")


def _parts(text: str) -> list[str]:
    return [part for at in range(0, len(text), MAX_BLOCK) if (part := text[at : at + MAX_BLOCK].strip())]


def as_json(blocks: Sequence[Block]) -> str:
    return json.dumps([{"section": block.section, "text": block.text} for block in blocks])


_COLUMNS = "user_id, workspace, sha256, marks, blocks, attempts"


def find(db: Db, user_id: str, workspace: str) -> Note | None:
    found = _rows(db, "user_id = $user AND workspace = $workspace", {"user": user_id, "workspace": workspace})
    return found[0] if found else None


def _rows(db: Db, where: str, given: dict[str, Any]) -> list[Note]:
    rows = db.execute(f"SELECT {_COLUMNS} FROM knowledge.notes WHERE {where}", given).fetchall()  # noqa: S608 (constants)
    return [
        Note(row[0], row[1], row[2], row[3], [Block(one["section"], one["text"]) for one in json.loads(row[4])], row[5])
        for row in rows
    ]


def due(db: Db, now: datetime, *, quiet: timedelta, limit: int = NOTES_A_RUN) -> list[Note]:
    """Notes that wait and have not changed for a while, those first that wait longest."""
    return _rows(
        db,
        """status = 'waiting' AND next_at <= $now AND changed_at <= $quiet AND (lease_until IS NULL OR lease_until <= $now)
        ORDER BY changed_at, user_id, workspace LIMIT $limit""",
        {"now": now, "quiet": now - quiet, "limit": limit},
    )


def counts(db: Db) -> dict[str, int]:
    """Status → how many notes."""
    rows = db.execute("SELECT status, count(*) FROM knowledge.notes GROUP BY status ORDER BY status").fetchall()
    return {status: int(count) for status, count in rows}
