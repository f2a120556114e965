"""The models that Agnes itself asks: their short names in settings, and what an answer costs by the list price."""

from __future__ import annotations

from datetime import date

from agnes.claude_code import prices
from agnes.kernel.llm import TokenCounts

SHORT_NAMES = {"haiku": "claude-haiku-4-5", "sonnet": "claude-sonnet-4-6", "opus": "claude-opus-4-8"}


def full_name(model: str) -> str:
    """Of a setting; a name that is not short is passed on as it is."""
    return SHORT_NAMES.get(model, model)


def dollars(model: str, tokens: TokenCounts, day: date) -> float | None:
    """By the list price of `day`; None for a model that the list does not have."""
    rates = prices.rates(model, day)
    if rates is None:
        return None
    return (
        tokens.input * rates.input
        + tokens.output * rates.output
        + tokens.cache_read * rates.cache_read
        + tokens.cache_write * rates.cache_write
    )
