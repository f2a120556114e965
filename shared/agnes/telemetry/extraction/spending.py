"""What a response took: the counts of its `usage`, what its price depends on, and tokens of other models within it.

Rules, and where each was found: docs/telemetry.md, What a response costs.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import Any

import msgspec

from agnes.claude_code.prices import prompt_tiers
from agnes.telemetry.extraction.records import MAX_TOKENS, CacheCreation, Usage, text, usage_of, value_of
from agnes.telemetry.model import LEAST_TIER, PROMPT_TIERS, Event, EventType

MOST_ITERATIONS = 64
"""Of one response that are looked at."""

MAX_RATES = 50
"""Of one session: speeds, tiers and places together."""

ADVISOR, COMPACTION, FALLBACK, SAMPLING = "advisor_message", "compaction", "fallback_message", "message"

_PLAIN = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,39}")
_FIRST_TIER, _CLAUDE = PROMPT_TIERS[0], "claude"


class _Words(dict[str | None, str | None]):
    """A word of `usage` as an event has it: None for what is usual, `other` for what is no word."""

    def __missing__(self, value: str | None) -> str | None:
        found = value if value and _PLAIN.fullmatch(value) else "other"
        if len(self) < 1000:
            self[value] = found
        return found


_speeds = _Words({None: None, "": None, "standard": None})
# Gateways to OpenAI's models write `default`.
_tiers = _Words({None: None, "": None, "standard": None, "default": None})
_places = _Words({None: None, "": None, "global": None, "not_available": None})


def raise_to(event: Event, usage: Usage) -> None:
    """One response comes in several lines, each repeating its usage, the last one whole: the largest of each count."""
    if (n := usage.input_tokens) and event.input_tokens < n <= MAX_TOKENS:
        event.input_tokens = n
    if (n := usage.output_tokens) and event.output_tokens < n <= MAX_TOKENS:
        event.output_tokens = n
    if (n := usage.cache_read_input_tokens) and event.cache_read_tokens < n <= MAX_TOKENS:
        event.cache_read_tokens = n
    if (n := usage.cache_creation_input_tokens) and event.cache_creation_tokens < n <= MAX_TOKENS:
        event.cache_creation_tokens = n
    kept = usage.cache_creation
    if kept is not None and (kept.ephemeral_1h_input_tokens or usage.cache_creation_input_tokens is None):
        _raise_writes(event, usage, kept)
    tools = usage.server_tool_use
    if tools is not None and (n := tools.web_search_requests) and event.web_searches < n <= MAX_TOKENS:
        event.web_searches = n
    if (word := usage.speed) is not None and word != "standard":
        event.speed = _speeds[word]
    if (word := usage.service_tier) is not None and word != "standard":
        event.service_tier = _tiers[word]
    if word := usage.inference_geo:
        event.inference_geo = _places[word]
    prompt = event.input_tokens + event.cache_read_tokens + event.cache_creation_tokens
    if prompt > LEAST_TIER and (prompt > _FIRST_TIER or _CLAUDE not in (event.model or _CLAUDE)):
        event.long_prompt = tier_of(prompt, event.model)


def bound_rates(responses: Collection[Event]) -> None:
    """A session has a handful of speeds, tiers and places; each beyond MAX_RATES together is another word, which has no price."""
    rates = {(e.speed, e.service_tier, e.inference_geo): None for e in responses}
    kept = set(list(rates)[:MAX_RATES])
    for event in responses:
        if (event.speed, event.service_tier, event.inference_geo) not in kept:
            event.speed, event.service_tier, event.inference_geo = "other", None, None


def _raise_writes(event: Event, usage: Usage, kept: CacheCreation) -> None:
    """Cache writes by their life. Without a total it is the sum of the two; what is in neither is of five minutes."""
    hour = _counted(kept.ephemeral_1h_input_tokens)
    if usage.cache_creation_input_tokens is None:
        total = min(hour + _counted(kept.ephemeral_5m_input_tokens), MAX_TOKENS)
        event.cache_creation_tokens = max(event.cache_creation_tokens, total)
    event.cache_creation_1h_tokens = max(event.cache_creation_1h_tokens, min(hour, event.cache_creation_tokens))


def _counted(value: int | None) -> int:
    return value if value is not None and 0 < value <= MAX_TOKENS else 0


def has_prompt_of(event: Event, usage: Usage) -> bool:
    """Whether a line's usage counts the very prompt of the event: no two prompts of a conversation are equally long."""
    counts = (usage.input_tokens or 0, usage.cache_read_input_tokens or 0, usage.cache_creation_input_tokens or 0)
    return any(counts) and counts == (event.input_tokens, event.cache_read_tokens, event.cache_creation_tokens)


def tier_of(prompt: int, model: str | None) -> int:
    """The longest length that a prompt of so many tokens is above and that may change its model's price; 0 if none."""
    tiers = (model and _CLAUDE not in model and prompt_tiers(model)) or PROMPT_TIERS
    return next((tier for tier in reversed(tiers) if prompt > tier), 0)


def says_more(iterations: msgspec.Raw) -> bytes | None:
    """The JSON of `usage.iterations` where it may tell more than the counts around it."""
    raw = bytes(iterations)
    entries = raw.count(b'"type"')
    if b"\\u" in raw:  # names may be written by their code points
        return raw
    return raw if entries > 1 or (entries == 1 and b'"message"' not in raw) else None


def iterations(event: Event, raw: bytes) -> list[Event]:
    """The events beside that of a response, which loses to them what has another price.

    The counts of a response are those of its `message` iterations together. Beside them are billed: an advisor's, at the advisor's
    model; a compaction's, at the response's. Where the response was refused and other models were asked, it is billed at those, and the
    refused one is not.
    """
    found = value_of(msgspec.Raw(raw))
    entries = [_Entry(number, entry) for number, entry in enumerate(_objects(found))]
    beside = [entry.event(event) for entry in entries if entry.kind in (ADVISOR, COMPACTION)]
    fallbacks = [entry for entry in entries if entry.kind == FALLBACK and entry.model]
    if fallbacks:
        *earlier, last = fallbacks
        beside += [entry.event(event, alike=True) for entry in earlier]
        event.model = last.model
        if any(last.counts):
            last.put_into(event)
        return [one for one in beside if _took(one)]
    # Without a kind it is nothing that the client writes, and nothing to bill.
    others = [
        e for e in entries if e.kind not in ("", ADVISOR, COMPACTION, SAMPLING) and e.model not in (None, event.model)
    ]
    beside += [entry.event(event) for entry in others]
    return [one for one in (*beside, *_by_length(event, [e for e in entries if e.kind == SAMPLING])) if _took(one)]


def _by_length(event: Event, entries: list[_Entry]) -> list[Event]:
    """A long response of several prompts: each has the price of its own length."""
    if event.long_prompt == 0 or len(entries) < 2:
        return []
    whole = (event.input_tokens, event.output_tokens, event.cache_read_tokens, event.cache_creation_tokens)
    if tuple(map(sum, zip(*(entry.counts for entry in entries), strict=True))) != whole:
        return []
    left = max(0, event.cache_creation_1h_tokens - sum(entry.hour for entry in entries))
    for entry in entries:  # writes whose life only the whole response says
        more = min(left, entry.counts[3] - entry.hour)
        entry.hour += more
        left -= more
    tiers = {tier_of(entry.prompt, event.model) for entry in entries}
    event.long_prompt, *others = sorted(tiers)
    moved = []
    for tier in others:
        alike = [entry for entry in entries if tier_of(entry.prompt, event.model) == tier]
        first = alike[0].event(event, alike=True)
        for entry in alike[1:]:
            entry.add_to(first)
        first.long_prompt = tier
        for name in (
            "input_tokens",
            "output_tokens",
            "cache_read_tokens",
            "cache_creation_tokens",
            "cache_creation_1h_tokens",
        ):
            setattr(event, name, getattr(event, name) - getattr(first, name))
        moved.append(first)
    return moved


class _Entry:
    """One of `usage.iterations`."""

    def __init__(self, number: int, found: dict[str, Any]) -> None:
        usage = usage_of(found)
        self.number = number
        self.kind = text(found.get("type")) or ""
        self.model = text(found.get("model")) or None
        self.place = usage.inference_geo
        kept = usage.cache_creation
        parts = (kept.ephemeral_5m_input_tokens, kept.ephemeral_1h_input_tokens) if kept is not None else (None, None)
        writes = usage.cache_creation_input_tokens
        written = sum(map(_counted, parts)) if writes is None else _counted(writes)
        self.counts = (
            _counted(usage.input_tokens),
            _counted(usage.output_tokens),
            _counted(usage.cache_read_input_tokens),
            written,
        )
        self.hour = min(_counted(parts[1]), written)

    @property
    def prompt(self) -> int:
        return self.counts[0] + self.counts[2] + self.counts[3]

    def event(self, response: Event, *, alike: bool = False) -> Event:
        """Its tokens as an event beside that of its response. Only what is `alike` has the response's speed and tier."""
        beside = msgspec.structs.replace(
            response,
            event_id=f"{response.event_id}|{self.number}",
            event_type=EventType.ITERATION,
            model=self.model or response.model,
            long_prompt=tier_of(self.prompt, self.model or response.model),
            web_searches=0,
        )
        if not alike and self.kind != COMPACTION:
            beside.speed = beside.service_tier = None
        self.put_into(beside)
        return beside

    def put_into(self, event: Event) -> None:
        event.input_tokens, event.output_tokens, event.cache_read_tokens, event.cache_creation_tokens = self.counts
        event.cache_creation_1h_tokens = self.hour
        event.long_prompt = tier_of(self.prompt, event.model)

    def add_to(self, event: Event) -> None:
        event.input_tokens += self.counts[0]
        event.output_tokens += self.counts[1]
        event.cache_read_tokens += self.counts[2]
        event.cache_creation_tokens += self.counts[3]
        event.cache_creation_1h_tokens += self.hour


def _took(event: Event) -> bool:
    return bool(event.input_tokens or event.output_tokens or event.cache_read_tokens or event.cache_creation_tokens)


def _objects(found: Any) -> list[dict[str, Any]]:
    return [entry for entry in found[:MOST_ITERATIONS] if isinstance(entry, dict)] if isinstance(found, list) else []
