"""What a person's sessions load: mandatory items, then the others by worth, within a number of tokens.

Mandatory items always go in, the budget notwithstanding, and leave a warning where they exceed it. Of the others each goes in that fits;
one that is too large is left out with a warning, and smaller ones behind it still go in. `hybrid` puts what the person voted up first and
leaves out what they voted down; `admin_curated` takes votes as advice (they are in the confidence); `mandatory_only` takes no others.
With `domains` or `text` of a workspace only what fits it goes in beside mandatory items: of those domains, or found by its words.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from itertools import chain

from agnes.kernel.principal import Principal
from agnes.knowledge import index, received, repository, service
from agnes.knowledge.context import Knowledge
from agnes.knowledge.index import KnowledgeIndex
from agnes.knowledge.model import FILE, Item
from agnes.knowledge.transitions import Status
from agnes.knowledge.visibility import Reader

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
    with k.state.read(FILE) as db:
        dismissed = repository.dismissed_by(db, who.user_id)
        votes = repository.votes_of(db, who.user_id)
    return made_of(k, reads, votes, dismissed, domains=domains, text=text, budget_tokens=budget_tokens)


def made_of(
    k: Knowledge,
    reads: Reader,
    votes: Mapping[str, int],
    dismissed: Collection[str],
    *,
    domains: Collection[str] = (),
    text: str = "",
    budget_tokens: int | None = None,
) -> Bundle:
    """The same, of a reader whose votes and dismissals are read already."""
    known, now = index.current(k.state), k.clock.now()
    got = received.received(known, reads, now)
    others, places = got.approved, got.places
    is_hybrid = k.rules.distribution == "hybrid"
    if k.rules.distribution == "mandatory_only":
        others, places = [], {}
    without = set(dismissed)
    if is_hybrid:
        without |= {item_id for item_id, vote in votes.items() if vote < 0}
    first: list[Item] = []
    if is_hybrid:
        wanted = sorted(places[item] for item, vote in votes.items() if vote > 0 and item in places)
        first = [others[place] for place in wanted if others[place].id not in without]
    total = len(others) - sum(item_id in places for item_id in without)
    if domains or text:
        fits = _fitting(known, domains, text)
        first, others = [item for item in first if fits(item)], [item for item in others if fits(item)]
    done = {item.id for item in first}
    ranked = chain(first, (item for item in others if item.id not in done and item.id not in without))
    budget = budget_tokens or k.rules.budget_tokens
    warnings: list[str] = []
    mandatory = [_line(known, item, now) for item in got.mandatory]
    spent = sum(line.tokens for line in mandatory)
    if spent > budget:
        warnings.append(f"Mandatory items take {spent} tokens, the budget is {budget}.")
    rest: list[BundleItem] = []
    for item in ranked:
        size = known.tokens_of(item) + OVERHEAD_TOKENS
        if size > budget:
            warnings.append(f"“{item.title}” takes {size} tokens, more than the whole budget of {budget}.")
        elif spent + size <= budget:
            rest.append(_line(known, item, now))
            spent += size
    shown = [(line.id, line.title, line.content, line.reason, str(line.valid_until)) for line in (*mandatory, *rest)]
    version = hashlib.sha256(repr(shown).encode()).hexdigest()[:16]
    return Bundle(mandatory, rest, spent, budget, total - len(rest), warnings, version)


def _fitting(known: KnowledgeIndex, domains: Collection[str], text: str) -> Callable[[Item], bool]:
    """Whether an item is of these domains, or found by a word of the text."""
    matched: set[str] = set()
    for word in text.split()[:50]:
        matched |= {item.id for item, _ in known.search(word)}
    return lambda item: item.domain in domains or item.id in matched


def _line(known: KnowledgeIndex, item: Item, now: datetime) -> BundleItem:
    is_mandatory = item.status == Status.MANDATORY
    return BundleItem(
        item.id,
        item.title,
        item.content,
        item.domain,
        item.category,
        known.confidence(item, now),
        known.tokens_of(item) + OVERHEAD_TOKENS,
        item.reason if is_mandatory else "",
        item.decided_at,
        item.valid_until,
    )
