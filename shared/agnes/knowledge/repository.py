"""Rows of the knowledge file."""

from __future__ import annotations

import hashlib
import json
import unicodedata
from collections.abc import Collection, Mapping, Sequence
from dataclasses import fields
from datetime import datetime
from typing import Any

from agnes.kernel.ids import new_ulid
from agnes.kernel.state import Db
from agnes.knowledge.model import Evidence, Item, Kind, Support

_COLUMNS = tuple(field.name for field in fields(Item))
_ITEM = ", ".join(_COLUMNS)
_KNOWN = frozenset(_COLUMNS)
_EVIDENCE = ", ".join(field.name for field in fields(Evidence))


def item(db: Db, item_id: str) -> Item | None:
    found = _items(db, "id = $id", {"id": item_id})
    return found[0] if found else None


def items(db: Db, ids: Sequence[str] | None = None) -> list[Item]:
    """All of them, or those of these ids, by id."""
    if ids is None:
        return _items(db, "true ORDER BY id", {})
    return _items(db, "list_contains($ids, id) ORDER BY id", {"ids": list(ids)})


def _items(db: Db, where: str, given: Mapping[str, Any]) -> list[Item]:
    rows = db.execute(f"SELECT {_ITEM} FROM knowledge.items WHERE {where}", dict(given)).fetchall()  # noqa: S608 (constants)
    return [Item(*row) for row in rows]


def same_text(db: Db, title: str, content: str) -> list[Item]:
    """Items with these very words, whatever their state; the oldest first."""
    return _items(db, "title = $title AND content = $content ORDER BY id", {"title": title, "content": content})


def insert_item(db: Db, row: Item) -> None:
    marks = ", ".join("?" for _ in _COLUMNS)
    db.execute(
        f"INSERT INTO knowledge.items ({_ITEM}) VALUES ({marks})",  # noqa: S608 (constants)
        [getattr(row, name) for name in _COLUMNS],
    )


def change_item(db: Db, item_id: str, changes: Mapping[str, Any]) -> None:
    if unknown := changes.keys() - _KNOWN:
        raise KeyError(f"no column is named {sorted(unknown)}")
    written = ", ".join(f"{name} = ?" for name in changes)
    db.execute(f"UPDATE knowledge.items SET {written} WHERE id = ?", [*changes.values(), item_id])  # noqa: S608 (checked)


def remove_items(db: Db, ids: Sequence[str]) -> None:
    """With everything that is theirs."""
    for table in ("evidence", "votes", "dismissals", "history", "complaints", "notices"):
        db.execute(f"DELETE FROM knowledge.{table} WHERE list_contains($ids, item_id)", {"ids": list(ids)})  # noqa: S608 (constant)
    db.execute(
        "DELETE FROM knowledge.relations WHERE list_contains($ids, item_a) OR list_contains($ids, item_b)",
        {"ids": list(ids)},
    )
    db.execute(
        "UPDATE knowledge.items SET superseded_by = NULL WHERE list_contains($ids, superseded_by)", {"ids": list(ids)}
    )
    db.execute("DELETE FROM knowledge.items WHERE list_contains($ids, id)", {"ids": list(ids)})


# Evidence


def normal(text: str) -> str:
    """A text by which two quotes are one: without capitals, with one blank where there are several."""
    return " ".join(unicodedata.normalize("NFKC", text).casefold().split())


def add_evidence(
    db: Db, item_id: str, *, user_id: str, session_id: str, turn: str, kind: Kind, quote: str, at: datetime
) -> bool:
    """Whether it is new: an item has each quote of a session once."""
    digest = hashlib.sha256(normal(quote).encode()).hexdigest()[:32]
    known = db.execute(
        """SELECT 1 FROM knowledge.evidence WHERE item_id = $item AND user_id = $user AND session_id = $session
        AND quote_sha256 = $digest""",
        {"item": item_id, "user": user_id, "session": session_id, "digest": digest},
    ).fetchone()
    if known is not None:
        return False
    db.execute(
        """INSERT INTO knowledge.evidence (id, item_id, user_id, session_id, turn, kind, quote, quote_sha256, seen_at)
        VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)""",
        [new_ulid(at), item_id, user_id, session_id, turn, str(kind), quote, digest, at],
    )
    return True


def evidence(db: Db, item_ids: Sequence[str]) -> list[Evidence]:
    """Of these items, the oldest first."""
    rows = db.execute(
        f"SELECT {_EVIDENCE} FROM knowledge.evidence WHERE list_contains($ids, item_id) ORDER BY seen_at, id",  # noqa: S608 (constant)
        {"ids": list(item_ids)},
    ).fetchall()
    return [Evidence(*row) for row in rows]


def move_evidence(db: Db, from_id: str, to_id: str) -> None:
    """Evidence and votes of one item become another's; what both have stays once."""
    db.execute(
        """UPDATE knowledge.evidence AS e SET item_id = $to WHERE e.item_id = $from AND NOT EXISTS (
            SELECT 1 FROM knowledge.evidence o WHERE o.item_id = $to AND o.user_id = e.user_id
            AND o.session_id = e.session_id AND o.quote_sha256 = e.quote_sha256)""",
        {"from": from_id, "to": to_id},
    )
    db.execute("DELETE FROM knowledge.evidence WHERE item_id = ?", [from_id])
    db.execute(
        """INSERT INTO knowledge.votes (item_id, user_id, vote, voted_at)
        SELECT $to, user_id, vote, voted_at FROM knowledge.votes v WHERE v.item_id = $from AND NOT EXISTS (
            SELECT 1 FROM knowledge.votes o WHERE o.item_id = $to AND o.user_id = v.user_id)""",
        {"from": from_id, "to": to_id},
    )


def supports(db: Db, item_ids: Sequence[str] | None = None) -> dict[str, Support]:
    """Item → what it rests on; of all items, or of some. One without anything is missing."""
    only = "WHERE list_contains($ids, item_id)" if item_ids is not None else ""
    given = {"ids": list(item_ids)} if item_ids is not None else {}
    rows = db.execute(
        f"""WITH rested AS (
            SELECT item_id, count(DISTINCT user_id) FILTER (kind IN ('correction', 'definition')) AS verifiers,
                count(DISTINCT user_id) AS confirmers, list(DISTINCT kind) AS kinds, max(seen_at) AS last_at
            FROM knowledge.evidence {only} GROUP BY item_id
        ), voted AS (
            SELECT item_id, count(*) FILTER (vote > 0) AS up, count(*) FILTER (vote < 0) AS down
            FROM knowledge.votes {only} GROUP BY item_id
        ), reported AS (
            SELECT item_id, count(*) AS complaints FROM knowledge.complaints
            WHERE closed_at IS NULL {only.replace("WHERE", "AND")} GROUP BY item_id
        )
        SELECT item_id, coalesce(verifiers, 0), coalesce(confirmers, 0), coalesce(kinds, []), last_at,
            coalesce(up, 0), coalesce(down, 0), coalesce(complaints, 0)
        FROM rested FULL JOIN voted USING (item_id) FULL JOIN reported USING (item_id)""",  # noqa: S608 (constants)
        given,
    ).fetchall()
    return {
        row[0]: Support(int(row[1]), int(row[2]), _best(row[3]), row[4], int(row[5]), int(row[6]), int(row[7]))
        for row in rows
    }


def _best(kinds: Collection[str]) -> str:
    return next((str(kind) for kind in Kind if kind in kinds), "")


# What people do


def set_vote(db: Db, item_id: str, user_id: str, vote: int, at: datetime) -> None:
    """0 takes it back."""
    db.execute("DELETE FROM knowledge.votes WHERE item_id = ? AND user_id = ?", [item_id, user_id])
    if vote:
        db.execute(
            "INSERT INTO knowledge.votes (item_id, user_id, vote, voted_at) VALUES (?, ?, ?, ?)",
            [item_id, user_id, vote, at],
        )


def votes_of(db: Db, user_id: str) -> dict[str, int]:
    rows = db.execute("SELECT item_id, vote FROM knowledge.votes WHERE user_id = ?", [user_id]).fetchall()
    return {item_id: int(vote) for item_id, vote in rows}


def set_dismissed(db: Db, item_id: str, user_id: str, *, wanted: bool, at: datetime) -> None:
    db.execute("DELETE FROM knowledge.dismissals WHERE item_id = ? AND user_id = ?", [item_id, user_id])
    if wanted:
        db.execute(
            "INSERT INTO knowledge.dismissals (item_id, user_id, dismissed_at) VALUES (?, ?, ?)",
            [item_id, user_id, at],
        )


def dismissed_by(db: Db, user_id: str) -> frozenset[str]:
    rows = db.execute("SELECT item_id FROM knowledge.dismissals WHERE user_id = ?", [user_id]).fetchall()
    return frozenset(row[0] for row in rows)


def complain(db: Db, item_id: str, user_id: str, reason: str, at: datetime) -> None:
    db.execute("DELETE FROM knowledge.complaints WHERE item_id = ? AND user_id = ?", [item_id, user_id])
    db.execute(
        "INSERT INTO knowledge.complaints (item_id, user_id, reason, reported_at) VALUES (?, ?, ?, ?)",
        [item_id, user_id, reason, at],
    )


def close_complaints(db: Db, item_id: str, at: datetime) -> None:
    db.execute("UPDATE knowledge.complaints SET closed_at = ? WHERE item_id = ? AND closed_at IS NULL", [at, item_id])


def complaints(db: Db, item_id: str) -> list[tuple[str, str, datetime, datetime | None]]:
    """(user id, reason, when, when an admin answered), the newest first."""
    rows = db.execute(
        """SELECT user_id, reason, reported_at, closed_at FROM knowledge.complaints WHERE item_id = ?
        ORDER BY reported_at DESC, user_id""",
        [item_id],
    ).fetchall()
    return [(row[0], row[1], row[2], row[3]) for row in rows]


# History


def note_change(
    db: Db,
    item_id: str,
    event: str,
    *,
    user_id: str,
    before: Mapping[str, Any],
    after: Mapping[str, Any],
    reason: str,
    at: datetime,
) -> None:
    db.execute(
        """INSERT INTO knowledge.history (id, item_id, event, user_id, before, after, reason, changed_at)
        VALUES (?, ?, ?, ?, ?, ?, ?, ?)""",
        [new_ulid(at), item_id, event, user_id, _json(before), _json(after), reason, at],
    )


def history(db: Db, item_id: str) -> list[tuple[str, str, dict[str, Any], dict[str, Any], str, datetime]]:
    """(event, user id, before, after, reason, when), the newest first."""
    rows = db.execute(
        """SELECT event, user_id, before, after, reason, changed_at FROM knowledge.history WHERE item_id = ?
        ORDER BY changed_at DESC, id DESC""",
        [item_id],
    ).fetchall()
    return [(row[0], row[1], json.loads(row[2]), json.loads(row[3]), row[4], row[5]) for row in rows]


def _json(values: Mapping[str, Any]) -> str:
    return json.dumps(values, default=lambda value: value.isoformat(), sort_keys=True)
