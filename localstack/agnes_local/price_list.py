"""Writes the tables of list prices from the library genai-prices (`make prices`): `agnes.claude_code.price_table` of Claude's models,
`other_models.txt` of others.

The library is pinned, and needed here only: importing it costs a function a fifth of a second and 2 MB. To take newer prices,
raise the pin (`make pins UPGRADE=genai-prices`), run `make prices`, and read the difference.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from datetime import date
from decimal import Decimal
from importlib.metadata import version
from pathlib import Path
from typing import Any

from agnes.claude_code import other_models, price_table, prices

LIBRARY = "genai-prices"
PROVIDER = "anthropic"
NAMELESS = ("claude-v1",)
"""Without its version nothing is left of its name, and the client never used it."""
LEFT_OUT = ("anthropic", "elevenlabs", "voyageai", "openai-decisions", "typesafe")
"""Claude's own, and what is no chat model."""
KINDS = ("input_mtok", "output_mtok", "cache_read_mtok", "cache_write_mtok", "cache_write_1h_mtok")

_HEAD = '''"""List prices of Claude models, and the names that they have. Written by `make prices`; do not edit.

A price holds from its day on (UTC; None: from the beginning), for prompts of more tokens than `above`, in dollars a million tokens.
"""

SOURCE = "{source}"

# (model, speed, from, above, input, output, cache read, cache write of 5 minutes, cache write of 1 hour)
PRICES = (
'''


def module(source: str | None = None) -> str:
    """The text of the table's module, from the installed library."""
    lines = [_HEAD.format(source=source or f"{LIBRARY} {version(LIBRARY)}")]
    models = _models()
    for model in models:
        lines += [f"    {_literal(row)},\n" for row in _prices(model)]
    lines.append(")\n\n# Other names of a model → its name in PRICES.\nALIASES = {\n")
    for name, model in sorted(_aliases(models).items()):
        lines.append(f'    "{name}": "{model}",\n')
    lines.append("}\n")
    return "".join(lines)


def _models() -> list[Any]:
    from genai_prices.data import providers

    (provider,) = (provider for provider in providers if provider.id == PROVIDER)
    return sorted((model for model in provider.models if model.id not in NAMELESS), key=lambda model: model.id)


def _prices(model: Any) -> Iterator[tuple[Any, ...]]:
    name = prices.canonical(model.id)
    dated = model.prices if isinstance(model.prices, list) else [None]
    for period in dated:
        since = getattr(getattr(period, "constraint", None), "start_date", None)
        yield from _tiers(name, prices.STANDARD, since, period.prices if period is not None else model.prices)
    for variant in model.price_variants or ():
        if variant.when == {"speed": prices.FAST}:
            since = getattr(variant.constraint, "start_date", None)
            yield from _tiers(name, prices.FAST, since, variant.prices)


def _tiers(name: str, speed: str, since: date | None, price: Any) -> Iterator[tuple[Any, ...]]:
    given = {kind: getattr(price, kind, None) for kind in KINDS}
    starts = {0}
    for value in given.values():
        starts |= {tier.start for tier in getattr(value, "tiers", ())}
    for start in sorted(starts):
        found = [_at(given[kind], start) for kind in KINDS]
        first = found[0]
        if first is None:
            raise ValueError(f"the list has no price of input for {name}")
        usual = (None, None, first * prices.CACHE_READ, first * prices.CACHE_WRITE, first * prices.CACHE_WRITE_1H)
        yield (name, speed, since, start, *(usual[i] if value is None else value for i, value in enumerate(found)))


def _at(value: Any, start: int) -> Decimal | None:
    if value is None or isinstance(value, Decimal):
        return value
    tier_price: Decimal = next((tier.price for tier in reversed(value.tiers) if tier.start <= start), value.base)
    return tier_price


def _aliases(models: list[Any]) -> dict[str, str]:
    found: dict[str, str] = {}
    for model in models:
        name = prices.canonical(model.id)
        for word in _words(model.match):
            if (alias := prices.canonical(word)) != name and not alias.endswith("-"):
                found.setdefault(alias, name)
    return found


def _words(clause: Any, kinds: tuple[str, ...] = ("equals", "starts_with")) -> Iterator[str]:
    """The names and beginnings of names that the library's clause knows; patterns are dates, which a name loses anyhow."""
    for inner in getattr(clause, "or_", None) or ():
        yield from _words(inner, kinds)
    for kind in kinds:
        if (word := getattr(clause, kind, None)) and not word.endswith("-2025"):
            yield word.rstrip("@")


def others(source: str | None = None) -> str:
    """The text of the table of other models."""
    from genai_prices.data import providers

    lines = [f"# {source or f'{LIBRARY} {version(LIBRARY)}'}; written by `make prices`: see other_models.py\n"]
    for provider in sorted(providers, key=lambda one: one.id):
        if provider.id not in LEFT_OUT:
            lines += _lines_of(provider)
    return "".join(lines)


def _lines_of(provider: Any) -> Iterator[str]:
    named: dict[str, Any] = {}
    models = sorted(provider.models, key=lambda model: model.id)
    for model in models:
        named.setdefault(other_models.normal(model.id), model)
    for model in models:
        for word in _words(model.match, ("equals", "starts_with", "contains")):
            name = other_models.normal(word).rstrip("-@")
            if name:
                named.setdefault(name, model)
    for name, model in sorted(named.items()):
        if " " in name:
            continue
        own = provider.model_match is not None and provider.model_match.is_match(name)
        for since, above, *amounts in _other_prices(model):
            numbers = " ".join(f"{amount.normalize():f}" for amount in amounts)
            yield f"{provider.id} {name} {int(own)} {since or '-'} {above} {numbers}\n"


def _other_prices(model: Any) -> Iterator[tuple[Any, ...]]:
    """Of tokens. What costs another price at some hours has the dearer one too, which counts; what has no price for caches costs as
    other input."""
    dated = model.prices if isinstance(model.prices, list) else [None]
    since = None
    for period in dated:
        constraint = getattr(period, "constraint", None)
        since = getattr(constraint, "start_date", since)  # hours have none
        price = period.prices if period is not None else model.prices
        given = [getattr(price, kind, None) for kind in KINDS[:4]]
        if given[0] is None or given[1] is None:
            continue
        starts = {0} | {tier.start for value in given for tier in getattr(value, "tiers", ())}
        for start in sorted(starts):
            found = [_at(value, start) for value in given]
            yield since, start, *(found[0] if one is None else one for one in found)


def _literal(row: tuple[Any, ...]) -> str:
    name, speed, since, above, *amounts = row
    day = f'"{since}"' if since else "None"
    numbers = ", ".join(f"{amount.normalize():f}" for amount in amounts)
    return f'("{name}", "{speed}", {day}, {above}, {numbers})'


def main() -> int:
    target = Path(price_table.__file__)
    for path, text in ((target, module()), (other_models.TABLE, others())):
        path.write_text(text)
        print(f"{path}: {LIBRARY} {version(LIBRARY)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
