"""Whether knowledge helps: sessions that began with an item, what it cost them, whether they were about it, and who still had to correct it.

`agnes push` says which items lay in the workspace when a session began. The detector, which reads the conversation anyway, notes which
of them it was about (`mentioned`). Corrections are evidence of that kind for the item, or for one that says the same, refines it or
contradicts it: before the item was decided, after it, and in sessions that had it loaded.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from weakref import WeakKeyDictionary

from agnes.browse.search import words
from agnes.kernel.errors import BadRequestError
from agnes.kernel.principal import Principal
from agnes.kernel.state import Db, Tx
from agnes.knowledge import index, listing, packing, repository
from agnes.knowledge.context import Knowledge
from agnes.knowledge.index import KnowledgeIndex
from agnes.knowledge.listing import ItemLine
from agnes.knowledge.model import FILE, Item
from agnes.knowledge.transitions import DISTRIBUTED

MAX_SESSIONS, MAX_ITEMS = 100, 1_000
"""Of one request."""
KEEP = timedelta(days=180)
MIN_AGE = timedelta(days=30)
"""As long an item is distributed before anything is said of it."""
MIN_SESSIONS = 20
SHARE = 0.5
"""Of an item's words that a conversation has to have to be about it."""
_SESSION = re.compile(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")


@dataclass(frozen=True, slots=True)
class Help:
    """Of one item; sessions of the last 180 days."""

    item_id: str
    sessions: int = 0
    """That began with it."""
    people: int = 0
    mentioned: int = 0
    """Sessions that began with it and were about it."""
    unread: int = 0
    """Sessions that began with it and that the detector has not read: nobody knows yet whether they were about it."""
    tokens: int = 0
    """That it cost all these sessions at their beginning."""
    corrections_before: int = 0
    """Sessions in which somebody corrected Claude about it, before an admin decided."""
    corrections_after: int = 0
    corrections_loaded: int = 0
    """Of those after: sessions that had it loaded."""
    advice: str = ""
    """`remove`: it costs and never mattered. `reword`: sessions that had it were corrected all the same. Else empty."""


@dataclass(frozen=True, slots=True)
class HelpLine:
    item: ItemLine
    help: Help


@dataclass(frozen=True, slots=True)
class HelpPage:
    items: list[HelpLine]
    total: int
    tokens: int
    """That all distributed items cost in the last 180 days."""
    proposed: int
    """Items that are proposed for removal."""
    skip: int
    limit: int


def record_loads(k: Knowledge, who: Principal, sessions: Mapping[str, Sequence[str]]) -> int:
    """Note what sessions of a person began with; how many of them are new or differ. Ids of no item are left out.

    Raises BadRequestError.
    """
    if not 0 < len(sessions) <= MAX_SESSIONS:
        raise BadRequestError(f"name 1 to {MAX_SESSIONS} sessions", code="too_many_sessions")
    for session_id, ids in sessions.items():
        if not _SESSION.fullmatch(session_id):
            raise BadRequestError(f"{session_id[:64]!r} is no session's id", code="invalid_session_id")
        if len(ids) > MAX_ITEMS:
            raise BadRequestError(f"a session names at most {MAX_ITEMS} items", code="too_many_items")
    known = index.current(k.state)
    wanted = {
        session_id: sorted({item for item in ids if known.find(item) is not None})
        for session_id, ids in sessions.items()
    }
    with k.state.read(FILE) as db:
        there = _sets_of(db, who.user_id, list(wanted))
        closed = _forgotten(db, who.user_id, list(wanted))
    new = {
        session_id: items
        for session_id, items in wanted.items()
        if items and there.get(session_id) != _set_id(items) and session_id not in closed
    }
    if not new:
        return 0
    at = k.clock.now()

    def write(tx: Tx) -> int:
        closed = _forgotten(tx.db, who.user_id, list(new))
        written = {session_id: items for session_id, items in new.items() if session_id not in closed}
        for items in {_set_id(items): items for items in written.values()}.values():
            tx.db.execute(
                """INSERT INTO knowledge.load_sets (id, items) SELECT $id, $items
                WHERE NOT EXISTS (SELECT 1 FROM knowledge.load_sets WHERE id = $id)""",
                {"id": _set_id(items), "items": items},
            )
        for session_id, items in written.items():
            tx.db.execute("DELETE FROM knowledge.loads WHERE user_id = ? AND session_id = ?", [who.user_id, session_id])
            tx.db.execute(
                "INSERT INTO knowledge.loads (user_id, session_id, set_id, mentioned, loaded_at) VALUES (?, ?, ?, NULL, ?)",
                [who.user_id, session_id, _set_id(items), at],
            )
        return len(written)

    return k.state.commit(FILE, write)


def _set_id(items: Sequence[str]) -> str:
    return hashlib.sha256("\n".join(items).encode()).hexdigest()[:32]


def _sets_of(db: Db, user_id: str, sessions: Sequence[str]) -> dict[str, str]:
    rows = db.execute(
        "SELECT session_id, set_id FROM knowledge.loads WHERE user_id = $user AND list_contains($sessions, session_id)",
        {"user": user_id, "sessions": list(sessions)},
    ).fetchall()
    return {str(row[0]): str(row[1]) for row in rows}


def _forgotten(db: Db, user_id: str, sessions: Sequence[str]) -> set[str]:
    rows = db.execute(
        """SELECT session_id FROM knowledge.readings WHERE user_id = $user AND status = 'forgotten'
        AND list_contains($sessions, session_id)""",
        {"user": user_id, "sessions": list(sessions)},
    ).fetchall()
    return {row[0] for row in rows}


def loaded_by(db: Db, user_id: str, session_id: str) -> list[str]:
    """Ids of the items that a session began with."""
    row = db.execute(
        """SELECT s.items FROM knowledge.loads l JOIN knowledge.load_sets s ON s.id = l.set_id
        WHERE l.user_id = ? AND l.session_id = ?""",
        [user_id, session_id],
    ).fetchone()
    return list(row[0]) if row else []


def mentioned(items: Iterable[Item], texts: Iterable[str]) -> list[str]:
    """Ids of the items that a conversation was about: it has half of the words of an item's title and names, and two at least."""
    said: set[str] = set()
    for text in texts:
        said.update(words(text))
    found = []
    for item in items:
        own = {word for word in words(" ".join([item.title, *item.entities])) if len(word) > 2}
        if own and len(own & said) >= max(min(2, len(own)), SHARE * len(own)):
            found.append(item.id)
    return found


def note_mentioned(tx: Tx, user_id: str, session_id: str, items: Sequence[str]) -> None:
    """Beside what an earlier reading of the session found."""
    tx.db.execute(
        """UPDATE knowledge.loads SET mentioned = list_sort(list_distinct(list_concat(coalesce(mentioned, []), $items)))
        WHERE user_id = $user AND session_id = $session""",
        {"items": list(items), "user": user_id, "session": session_id},
    )


def forget(tx: Tx, user_id: str, sessions: Sequence[str]) -> None:
    """That sessions began with something is a trace of them as well."""
    tx.db.execute(
        "DELETE FROM knowledge.loads WHERE user_id = $user AND list_contains($sessions, session_id)",
        {"user": user_id, "sessions": list(sessions)},
    )


def prune(tx: Tx, *, before: datetime) -> None:
    tx.db.execute("DELETE FROM knowledge.loads WHERE loaded_at < ?", [before])
    tx.db.execute("DELETE FROM knowledge.load_sets WHERE id NOT IN (SELECT set_id FROM knowledge.loads)")


def figures(db: Db, items: Collection[Item], now: datetime) -> dict[str, Help]:
    """Item → its figures, of these items; two questions whatever their number."""
    ids = [item.id for item in items]
    loads = {
        row[0]: row[1:]
        for row in db.execute(
            """SELECT item, count(*), count(DISTINCT user_id), count(*) FILTER (list_contains(mentioned, item)),
                count(*) FILTER (mentioned IS NULL)
            FROM (SELECT l.user_id, l.mentioned, unnest(s.items) AS item FROM knowledge.loads l
                JOIN knowledge.load_sets s ON s.id = l.set_id WHERE l.loaded_at > $since)
            SEMI JOIN (SELECT unnest($ids) AS item) USING (item) GROUP BY item""",
            {"ids": ids, "since": now - KEEP},
        ).fetchall()
    }
    corrections = {
        row[0]: row[1:]
        for row in db.execute(
            """WITH related AS (
                SELECT id AS item, id AS other FROM knowledge.items SEMI JOIN (SELECT unnest($ids) AS id) USING (id)
                UNION SELECT item_a, item_b FROM knowledge.relations WHERE kind <> 'unrelated' AND resolution <> 'dismiss'
                UNION SELECT item_b, item_a FROM knowledge.relations WHERE kind <> 'unrelated' AND resolution <> 'dismiss'
                UNION SELECT superseded_by, id FROM knowledge.items WHERE superseded_by IS NOT NULL
            ), corrected AS (
                SELECT r.item, e.user_id, e.session_id, min(e.seen_at) AS seen_at FROM related r
                JOIN knowledge.evidence e ON e.item_id = r.other AND e.kind = 'correction' AND e.session_id <> '' GROUP BY ALL
            )
            SELECT c.item, count(*) FILTER (i.decided_at IS NULL OR c.seen_at <= i.decided_at),
                count(*) FILTER (c.seen_at > i.decided_at),
                count(*) FILTER (c.seen_at > i.decided_at AND list_contains(s.items, c.item))
            FROM corrected c JOIN knowledge.items i ON i.id = c.item
            LEFT JOIN knowledge.loads l ON l.user_id = c.user_id AND l.session_id = c.session_id
            LEFT JOIN knowledge.load_sets s ON s.id = l.set_id
            SEMI JOIN (SELECT unnest($ids) AS item) w ON w.item = c.item GROUP BY c.item""",
            {"ids": ids},
        ).fetchall()
    }
    supports = repository.supports(db, ids)
    found = {}
    for item in items:
        sessions, people, about, unread = loads.get(item.id, (0, 0, 0, 0))
        before, after, loaded = corrections.get(item.id, (0, 0, 0))
        support = supports.get(item.id)
        is_idle = (
            item.status in DISTRIBUTED
            and item.decided_at is not None
            and item.decided_at <= now - MIN_AGE
            and sessions - unread >= MIN_SESSIONS
            and not about
            and not after
            and not (support and support.upvotes)
            and not (support and support.last_at and support.last_at > item.decided_at)
        )
        found[item.id] = Help(
            item.id,
            sessions,
            people,
            about,
            unread,
            sessions * packing.tokens(f"{item.title} {item.content}"),
            before,
            after,
            loaded,
            "remove" if is_idle else "reword" if loaded and item.status in DISTRIBUTED else "",
        )
    return found


_held: WeakKeyDictionary[KnowledgeIndex, tuple[datetime, list[tuple[Item, Help]]]] = WeakKeyDictionary()


def _ranked(k: Knowledge) -> list[tuple[Item, Help]]:
    """Distributed items with their figures, made once a generation and hour: those with advice first, then the dearest."""
    known, now = index.current(k.state), k.clock.now()
    hour = now.replace(minute=0, second=0, microsecond=0)
    held = _held.get(known)
    if held is None or held[0] != hour:
        items = [item for item in known.items if item.is_distributed(now)]
        with k.state.read(FILE) as db:
            found = figures(db, items, now)
        rows = [(item, found[item.id]) for item in items]
        rows.sort(key=lambda row: (_URGENCY.index(row[1].advice), -row[1].tokens, row[0].id))
        held = (hour, rows)
        _held[known] = held
    return held[1]


def page(k: Knowledge, who: Principal, *, skip: int = 0, limit: int = 50) -> HelpPage:
    """Distributed items with their figures: those that are proposed for removal or another wording first, then the dearest."""
    who.require_admin()
    rows, known, now = _ranked(k), index.current(k.state), k.clock.now()
    return HelpPage(
        [HelpLine(listing.line(known, item, who, now=now), found) for item, found in rows[skip : skip + limit]],
        len(rows),
        sum(one.tokens for _, one in rows),
        sum(one.advice == "remove" for _, one in rows),
        skip,
        limit,
    )


_URGENCY = ("remove", "reword", "")
