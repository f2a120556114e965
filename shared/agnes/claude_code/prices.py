"""List prices of models: which is in force for a model on a day, and what changes it.

What follows is of Claude's models; `other_models` has those of others, which gateways put in their place. The table itself comes from the library genai-prices (`price_table`, written by `make prices`). Here is what it leaves out, each with
its source, and how a name that a client, a gateway or a cloud writes becomes the name in the table.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from functools import cache, lru_cache

from agnes.claude_code import other_models, price_table

STANDARD, FAST = "standard", "fast"
BATCH_TIER, PRIORITY_TIER = "batch", "priority"
US = "us"

CACHE_READ, CACHE_WRITE, CACHE_WRITE_1H = Decimal("0.1"), Decimal("1.25"), Decimal(2)
"""Times the price of input, where a model's row does not say otherwise. Source: platform.claude.com, prompt caching, Pricing."""

BATCH = 0.5
"""Times every price of tokens, cache reads and writes included; a web search keeps its price. Source: platform.claude.com, Batch
processing, Pricing (2026-10)."""

US_INFERENCE = 1.1
"""Times every price of tokens of a response that was computed in the United States only (`inference_geo` is `us`). A web search keeps
its price. Source: platform.claude.com, Data residency; the client's own bill does the same (2.1.332)."""

WEB_SEARCH = 0.01
"""Dollars a search: $10 for 1,000. Source: platform.claude.com, Web search tool; the client's own bill (2.1.332)."""

# The tier `priority` is bought in advance: its tokens are shown at the list price, as the client's own bill does.

REMEMBERED = 4000
"""Prices of names on days: names come from transcripts, and whoever writes those may invent any number of them."""

SUPPLEMENT = (
    # Limited availability: the library leaves them out. Source: the client's model catalogue (2.1.332) and platform.claude.com,
    # Pricing (2026-10).
    ("claude-mythos-5", STANDARD, None, 0, 10, 50, 1, 12.5, 20),
    ("claude-mythos-5-1", STANDARD, None, 0, 10, 50, 0.25, 12.5, 20),
    # Fast mode of models that no longer have it. Source: the client's own bill (2.1.332): six times the standard price.
    ("claude-opus-4-6", FAST, None, 0, 30, 150, 3, 37.5, 60),
    ("claude-opus-4-7", FAST, None, 0, 30, 150, 3, 37.5, 60),
)

_SUFFIX = re.compile(r"\[[^\]]*\]$")
_PATH = re.compile(r"[/,]|::|(?<=^vertex):|(?<=^openrouter):")
_CLOUD = re.compile(r"^(?:[a-z][a-z0-9-]*\.)?anthropic\.")
_BEDROCK_VERSION = re.compile(r"-v\d+(?::\d+)?(?::\d+k)?$")
_VARIANT = re.compile(r":(?:thinking|beta|nitro|floor|online|exacto|extended)$")
_DATE = re.compile(r"-(?:20\d{6}|20\d\d-\d\d-\d\d)$")
_DOTTED = re.compile(r"(?<=\d)\.(?=\d)")


@dataclass(frozen=True, slots=True)
class Rates:
    """Dollars a token by kind, and a web search."""

    input: float
    output: float
    cache_read: float
    cache_write: float
    cache_write_1h: float
    web_search: float = WEB_SEARCH

    def times(self, factor: float) -> Rates:
        """Tokens at `factor` times the price; a web search keeps its own."""
        return Rates(
            self.input * factor,
            self.output * factor,
            self.cache_read * factor,
            self.cache_write * factor,
            self.cache_write_1h * factor,
            self.web_search,
        )


@dataclass(frozen=True, slots=True)
class Rate:
    """What a response says of itself that its price depends on. Empty words and 0: the standard price."""

    speed: str = ""
    service_tier: str = ""
    inference_geo: str = ""
    long_prompt: int = 0

    @classmethod
    def read(cls, text: str) -> Rate:
        """Of `speed|tier|geography|length`, as rollups write it, or of nothing."""
        speed, tier, geo, long = text.split("|") if text else ("", "", "", "")
        return cls(speed, tier, geo, int(long) if long.isdigit() else 0)

    @property
    def multiplier(self) -> float | None:
        """Of the tier and the geography; None for a tier that nobody knows the price of."""
        if self.service_tier not in ("", STANDARD, PRIORITY_TIER, BATCH_TIER):
            return None
        return (BATCH if self.service_tier == BATCH_TIER else 1.0) * (US_INFERENCE if self.inference_geo == US else 1.0)


STANDARD_RATE = Rate()


def canonical(model: str) -> str:
    """The name without what clients, gateways and clouds add to it: a context length in brackets, a path, a provider or a region
    before it, a version, a date, `latest`, a router's variant."""
    name = _VARIANT.sub("", _SUFFIX.sub("", model.strip().lower()))
    name = _CLOUD.sub("", _PATH.split(name)[-1]).replace("@", "-")
    name = _BEDROCK_VERSION.sub("", name)
    name = _DATE.sub("", name)
    name = _BEDROCK_VERSION.sub("", name)
    for ending in ("-latest", "-default"):
        name = name.removesuffix(ending)
    return _DOTTED.sub("-", name)


@cache
def _table() -> dict[tuple[str, str], tuple[tuple[date, int, Rates], ...]]:
    """(model, speed) → its prices, the one that counts last among those that fit."""
    found: dict[tuple[str, str], list[tuple[date, int, Rates]]] = {}
    for model, speed, since, above, *amounts in (*SUPPLEMENT, *price_table.PRICES):
        day = date.fromisoformat(since) if since else date.min
        rates = Rates(*(float(amount) / 1e6 for amount in amounts))
        found.setdefault((model, speed), []).append((day, above, rates))
    return {key: tuple(sorted(rows, key=lambda row: row[:2])) for key, rows in found.items()}


def models() -> tuple[str, ...]:
    """Every model that has a list price, by name."""
    return tuple(sorted({model for model, _ in _table()}))


def known_as(model: str) -> str | None:
    """The name of `model` in the price list; None if it has no price."""
    name = canonical(model)
    name = price_table.ALIASES.get(name, name)
    return name if (name, STANDARD) in _table() else None


@lru_cache(REMEMBERED)
def prompt_tiers(model: str) -> tuple[int, ...]:
    """Lengths of a prompt above which a model that is not Claude's has another price, ascending."""
    return () if known_as(model) else other_models.prompt_tiers(model)


@lru_cache(REMEMBERED)
def list_rates(model: str, day: date, speed: str = "", long_prompt: int = 0) -> Rates | None:
    """The list price of `model` on `day`; None if the list has no such model, or no price of that speed. `long_prompt` is a number
    of tokens that the prompt was longer than."""
    name = known_as(model)
    if name is None and (usual := known_as(canonical(model).removesuffix(f"-{FAST}"))):
        name, speed = usual, FAST
    rows = _table().get((name or "", speed or STANDARD), ())
    newest = max((since for since, _, _ in rows if since <= day), default=None)
    fitting = [rates for since, above, rates in rows if since == newest and above <= long_prompt]
    return fitting[-1] if fitting else None if name else _other_rates(model, day, speed, long_prompt)


def _other_rates(model: str, day: date, speed: str, long_prompt: int) -> Rates | None:
    """Of a model that is not Claude's. A cache write that is kept longer costs as any."""
    rows = other_models.prices(model) if speed in ("", STANDARD) else ()
    newest = max((row.since for row in rows if row.since <= day), default=None)
    fitting = [row for row in rows if row.since == newest and row.above <= long_prompt]
    if not fitting:
        return None
    kinds = (fitting[-1].input, fitting[-1].output, fitting[-1].cache_read, fitting[-1].cache_write)
    return Rates(*(price / 1e6 for price in (*kinds, kinds[-1])))


def rates(model: str, day: date, rate: Rate = STANDARD_RATE) -> Rates | None:
    """What tokens of a response cost by the price list, in dollars a token; None if the list does not say."""
    found, factor = list_rates(model, day, rate.speed, rate.long_prompt), rate.multiplier
    if found is None or factor is None:
        return None
    return found.times(factor) if factor != 1 else found
