"""What a person's sessions load: mandatory items, then the others by worth, within a number of tokens.

Mandatory items always go in, the budget notwithstanding, and leave a warning where they exceed it. Of the others each goes in that fits;
one that is too large is left out with a warning, and smaller ones behind it still go in. `hybrid` puts what the person voted up first and
leaves out what they voted down; `admin_curated` takes votes as advice (they are in the confidence); `mandatory_only` takes no others.
With `domains` or `text` of a workspace only what fits it goes in beside mandatory items: of those domains, or found by its words.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from agnes.kernel.principal import Principal
from agnes.knowledge import index, packing, repository, service, visibility
from agnes.knowledge.context import Knowledge
from agnes.knowledge.index import KnowledgeIndex
from agnes.knowledge.model import FILE, Item
from agnes.knowledge.transitions import Status

OVERHEAD_TOKENS = 12
"""Of an item's heading and marks in the file."""


@dataclass(frozen=True, slots=True)
class BundleItem:
    """An item as a session loads it."""

    id: str
    title: str
    content: str
    domain: str
    category: str
    confidence: float
    tokens: int
    reason: str
    """Why it is mandatory; empty of the others."""
    decided_at: datetime | None
    valid_until: datetime | None


@dataclass(frozen=True, slots=True)
class Bundle:
    mandatory: list[BundleItem]
    approved: list[BundleItem]
    token_estimate: int
    token_budget: int
    left_out: int
    """Approved items that are for this person and did not fit, or not this workspace."""
    warnings: list[str]
    version: str
    """Changes with what is in it."""


def bundle(
    k: Knowledge, who: Principal, *, domains: Collection[str] = (), text: str = "", budget_tokens: int | None = None
) -> Bundle:
    """For a person's sessions. Raises UnavailableError."""
    reads = service.reader(k, who)
    known = index.current(k.state)
    now = k.clock.now()
    with k.state.read(FILE) as db:
        dismissed = repository.dismissed_by(db, who.user_id)
        votes = repository.votes_of(db, who.user_id)
    mandatory = [
        item for item in known.items if item.status == Status.MANDATORY and visibility.may_receive(item, reads, now)
    ]
    others = [
        item
        for item in index.ranked(known, now)
        if item.id not in dismissed and visibility.may_receive(item, reads, now)
    ]
    if k.rules.distribution == "mandatory_only":
        others = []
    if k.rules.distribution == "hybrid":
        others = [item for item in others if votes.get(item.id, 0) >= 0]
    wanted = _fitting(known, others, domains, text)
    if k.rules.distribution == "hybrid":
        wanted = sorted(wanted, key=lambda item: -votes.get(item.id, 0))  # keeps the order of those without a vote
    return _packed(
        known, mandatory, wanted, now, budget=budget_tokens or k.rules.budget_tokens, left_out=len(others) - len(wanted)
    )


def _fitting(known: KnowledgeIndex, others: list[Item], domains: Collection[str], text: str) -> list[Item]:
    if not domains and not text:
        return others
    matched: set[str] = set()
    for word in text.split()[:50]:
        matched |= {item.id for item, _ in known.search(word)}
    return [item for item in others if item.domain in domains or item.id in matched]


def _packed(
    known: KnowledgeIndex, mandatory: list[Item], ranked: list[Item], now: datetime, *, budget: int, left_out: int
) -> Bundle:
    warnings: list[str] = []
    first = [_line(known, item, now) for item in mandatory]
    spent = sum(line.tokens for line in first)
    if spent > budget:
        warnings.append(f"Mandatory items take {spent} tokens, the budget is {budget}.")
    rest: list[BundleItem] = []
    for item in ranked:
        line = _line(known, item, now)
        if line.tokens > budget:
            warnings.append(f"“{item.title}” takes {line.tokens} tokens, more than the whole budget of {budget}.")
            left_out += 1
        elif spent + line.tokens > budget:
            left_out += 1
        else:
            rest.append(line)
            spent += line.tokens
    shown = [(line.id, line.title, line.content, line.reason, str(line.valid_until)) for line in (*first, *rest)]
    version = hashlib.sha256(repr(shown).encode()).hexdigest()[:16]
    return Bundle(first, rest, spent, budget, left_out, warnings, version)


def _line(known: KnowledgeIndex, item: Item, now: datetime) -> BundleItem:
    is_mandatory = item.status == Status.MANDATORY
    return BundleItem(
        item.id,
        item.title,
        item.content,
        item.domain,
        item.category,
        known.confidence(item, now),
        packing.tokens(f"{item.title} {item.content}") + OVERHEAD_TOKENS,
        item.reason if is_mandatory else "",
        item.decided_at,
        item.valid_until,
    )
