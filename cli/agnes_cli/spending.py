"""What tokens cost, and spans of time, as people write and read them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from agnes_cli.failures import BadInput

_SPAN = re.compile(r"(\d{1,6})(m|h|d)")
_MINUTES = {"m": 1, "h": 60, "d": 1440}


def cost(spent: Mapping[str, Any]) -> str:
    """Of `cost_usd` and `unpriced_tokens`: a model without a price makes a cost unknown, never zero."""
    dollars, unpriced = spent["cost_usd"], spent["unpriced_tokens"]
    if dollars is None:
        return "unknown price" if unpriced else ""
    shown = f"${dollars:,.2f}" if dollars >= 0.01 or dollars == 0 else "<$0.01"
    return f"{shown} + {count(unpriced)} tokens unpriced" if unpriced else shown


def part(spent: Mapping[str, Any], name: str) -> dict[str, Any]:
    """The own or the carried part of a row."""
    return {"cost_usd": spent[f"{name}_cost_usd"], "unpriced_tokens": spent[f"{name}_unpriced_tokens"]}


def count(number: int) -> str:
    return f"{number:,}"


def percent(share: float) -> str:
    return f"{share * 100:.1f} %"


def rated(number: int, share: float | None, of: str) -> str:
    """Such as `12 (3.4 % of invocations)`."""
    return count(number) if share is None else f"{count(number)} ({percent(share)} of {of})"


def tokens(spent: Mapping[str, Any], total: int) -> dict[str, str]:
    """Lines for everything that a bill counts."""
    return {
        "Tokens": count(total),
        "Input": count(spent["input_tokens"]),
        "Output": count(spent["output_tokens"]),
        "Cache reads": count(spent["cache_read_tokens"]),
        "Cache writes, 5 minutes": count(spent["cache_creation_tokens"] - spent["cache_creation_1h_tokens"]),
        "Cache writes, 1 hour": count(spent["cache_creation_1h_tokens"]),
        "Web searches": count(spent["web_searches"]),
    }


def lasting(seconds: float) -> str:
    """Such as `2 h 5 min`."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600:,} h {whole % 3600 // 60} min"


def minutes(span: str) -> int:
    """Of 30m, 24h or 7d. Raises BadInput."""
    found = _SPAN.fullmatch(span)
    if found is None:
        raise BadInput(f"{span[:40]!r} is no span of time", hint="Write 30m, 24h or 7d.")
    return int(found[1]) * _MINUTES[found[2]]


def unpriced_models(models: list[str]) -> str:
    return f"Without a price: {', '.join(models)}. `agnes admin usage prices set` gives a model one."
