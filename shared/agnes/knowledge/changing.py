"""How an item changes: its row, its history, a line of the audit and notices, in one transaction. Nothing else writes items."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from agnes.kernel.ids import new_ulid
from agnes.kernel.state import Change, Tx
from agnes.knowledge import notices, repository
from agnes.knowledge.confidence import confidence
from agnes.knowledge.model import ADMINS, EVERYONE, Item, Kind, Rules, Source, Support
from agnes.knowledge.transitions import DISTRIBUTED, NEW, Event, Status, after
from agnes.knowledge.visibility import ItemNotFound

TEXT = ("title", "content")
"""A change of these makes another revision: judgements of the one before do not count for it."""
COPIED = ("title", "content", "category", "domain", "audience", "is_personal", "superseded_by", "status")
"""Columns of which the history keeps the values before and after."""

_TO_AUTHOR: dict[Event, str] = {
    Event.APPROVE: "“{title}” was approved: your colleagues' sessions load it now.",
    Event.MANDATE: "“{title}” is mandatory now: {why}",
    Event.REJECT: "“{title}” was rejected: {why}",
    Event.REVOKE: "“{title}” was revoked: {why}",
    Event.EXPIRE: "“{title}” has expired.",
}
"""Event → what the author is told."""


@dataclass(frozen=True, slots=True)
class Put:
    """What became of a fact."""

    item_id: str
    is_new: bool
    """There was no item with these words."""
    is_supported: bool
    """The evidence is new."""


def require(tx: Tx, item_id: str) -> Item:
    """Raises ItemNotFound."""
    found = repository.item(tx.db, item_id)
    if found is None:
        raise ItemNotFound(item_id)
    return found


def put_fact(
    tx: Tx,
    rules: Rules,
    *,
    title: str,
    content: str,
    domain: str,
    category: str = "",
    tags: Sequence[str] = (),
    entities: Sequence[str] = (),
    source: Source,
    user_id: str,
    session_id: str = "",
    turn: str = "",
    kind: Kind,
    quote: str,
    needs_review: bool = False,
    at: datetime,
) -> Put:
    """Add a fact: evidence for the item with these very words, or a new item that waits for a review.

    With `needs_review` it waits whatever KNOWLEDGE_APPROVAL says.
    """
    for known in repository.same_text(tx.db, title, content):
        if known.is_personal and known.author_id != user_id:
            continue  # nobody learns that somebody has it
        new = repository.add_evidence(
            tx.db, known.id, user_id=user_id, session_id=session_id, turn=turn, kind=kind, quote=quote, at=at
        )
        return Put(known.id, is_new=False, is_supported=new)
    support = Support(int(kind in (Kind.CORRECTION, Kind.DEFINITION)), 1, kind, at)
    row = Item(
        id=new_ulid(at),
        title=title,
        content=content,
        category=category,
        domain=domain,
        tags=list(tags),
        entities=list(entities),
        status=Status.PENDING,
        source=source,
        author_id=user_id,
        audience=EVERYONE,
        audience_groups=[],
        is_personal=False,
        valid_from=None,
        valid_until=None,
        review_at=None,
        superseded_by=None,
        reason="",
        decided_by="",
        decided_at=None,
        revision=1,
        created_at=at,
        updated_at=at,
    )
    publishes = not needs_review and (
        rules.approval == "auto_publish"
        or (rules.approval == "threshold" and confidence(row, support, at) >= rules.threshold)
    )
    event = Event.PUBLISH if publishes else Event.PROPOSE
    row = replace(
        row, status=after(NEW, event), review_at=at + rules.review_after if publishes and rules.review_after else None
    )
    repository.insert_item(tx.db, row)
    repository.add_evidence(
        tx.db, row.id, user_id=user_id, session_id=session_id, turn=turn, kind=kind, quote=quote, at=at
    )
    repository.note_change(
        tx.db, row.id, event, user_id=user_id, before={}, after={"title": title, "content": content}, reason="", at=at
    )
    tx.record(
        Change(f"knowledge.{event}", f"knowledge:{row.id}", {"source": source, "domain": domain, "to": row.status})
    )
    return Put(row.id, is_new=True, is_supported=True)


def change(
    tx: Tx,
    before: Item,
    changes: Mapping[str, Any],
    *,
    event: str,
    user_id: str,
    at: datetime,
    reason: str = "",
) -> Item:
    """Write columns of an item with their history. Nothing happens if they are what they were."""
    changed = {name: value for name, value in changes.items() if getattr(before, name) != value}
    if not changed:
        return before
    changed["updated_at"] = at
    if any(name in changed for name in TEXT):
        changed["revision"] = before.revision + 1
    repository.change_item(tx.db, before.id, changed)
    kept = [name for name in changed if name not in ("updated_at", "revision", "decided_by", "decided_at")]
    repository.note_change(
        tx.db,
        before.id,
        event,
        user_id=user_id,
        before={name: getattr(before, name) for name in kept},
        after={name: changed[name] for name in kept},
        reason=reason,
        at=at,
    )
    tx.record(
        Change(
            f"knowledge.{event}",
            f"knowledge:{before.id}",
            {"fields": sorted(kept), "reason": reason, "to": changed.get("status", before.status)},
            {"status": before.status},
        )
    )
    return replace(before, **changed)


def move(
    tx: Tx,
    before: Item,
    event: Event,
    *,
    user_id: str,
    at: datetime,
    reason: str = "",
    changes: Mapping[str, Any] | None = None,
) -> Item:
    """Let an event happen to an item. Raises EventRefused."""
    to = after(before.status, event)
    written: dict[str, Any] = {"status": to, "reason": reason, **(changes or {})}
    if user_id:
        written |= {"decided_by": user_id, "decided_at": at}
    if to in DISTRIBUTED:
        written.setdefault("superseded_by", None)
    done = change(tx, before, written, event=event, user_id=user_id, at=at, reason=reason)
    repository.close_complaints(tx.db, before.id, at)
    if event in _TO_AUTHOR and before.author_id != user_id:
        text = _TO_AUTHOR[event].format(title=before.title, why=_sentence(reason))
        notices.put(tx.db, before.author_id, event, text, item_id=before.id, url=f"/knowledge/{before.id}", at=at)
    return done


def supersede(tx: Tx, old: Item, new: Item, *, user_id: str, at: datetime, reason: str = "") -> None:
    """Let one item take the place of another: evidence and votes go over, and the old one is closed now. Raises EventRefused."""
    move(
        tx,
        old,
        Event.SUPERSEDE,
        user_id=user_id,
        at=at,
        reason=reason,
        changes={"superseded_by": new.id, "valid_until": min(old.valid_until or at, at)},
    )


def tell_admins(tx: Tx, kind: str, text: str, *, item_id: str, url: str, at: datetime) -> None:
    notices.put(tx.db, ADMINS, kind, text, item_id=item_id, url=url, at=at)


def _sentence(why: str) -> str:
    text = why.strip() or "see its page"
    return text if text.endswith((".", "!", "?")) else f"{text}."
