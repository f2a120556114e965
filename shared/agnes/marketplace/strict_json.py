"""JSON from outside: bounded, unambiguous, and safe to write out again."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator
from typing import Any

from agnes.marketplace.limits import MAX_JSON_DEPTH, MAX_MANIFEST_BYTES

MAX_DIGITS = 100
_UNWRITABLE = re.compile("[\\x00\\ud800-\\udfff]")


def parse(body: bytes) -> Any:
    """The value of a document. Raises ValueError with a reason in words.

    Refused beyond what JSON says: more than MAX_MANIFEST_BYTES, deeper than MAX_JSON_DEPTH, a key
    given twice, numbers that are not finite, NUL and half surrogates in text.
    """
    if len(body) > MAX_MANIFEST_BYTES:
        raise ValueError(f"larger than {MAX_MANIFEST_BYTES} bytes")
    try:
        text = body.decode("utf-8-sig")
    except UnicodeDecodeError as exc:
        raise ValueError("not UTF-8") from exc
    if _depth(text) > MAX_JSON_DEPTH:
        raise ValueError(f"nested deeper than {MAX_JSON_DEPTH}")
    try:
        value = json.loads(
            text, object_pairs_hook=_unique, parse_constant=_no_constant, parse_float=_finite, parse_int=_short
        )
    except json.JSONDecodeError as exc:
        raise ValueError(f"not JSON: {exc.msg} at line {exc.lineno}, column {exc.colno}") from exc
    if any(_UNWRITABLE.search(words) for words in _strings(value)):
        raise ValueError("text with NUL or half of a surrogate pair")
    return value


def _strings(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, list):
        for item in value:
            yield from _strings(item)
    elif isinstance(value, dict):
        for key, item in value.items():
            yield key
            yield from _strings(item)


def _depth(text: str) -> int:
    """How deep brackets nest, outside strings."""
    deepest = depth = 0
    inside = escaped = False
    for character in text:
        if inside:
            if escaped:
                escaped = False
            elif character == "\\":
                escaped = True
            elif character == '"':
                inside = False
        elif character == '"':
            inside = True
        elif character in "[{":
            depth += 1
            deepest = max(deepest, depth)
        elif character in "]}":
            depth -= 1
    return deepest


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        twice = next(key for number, (key, _) in enumerate(pairs) if key in dict(pairs[:number]))
        raise ValueError(f"the key {twice[:60]!r} is given twice")
    return found


def _no_constant(word: str) -> Any:
    raise ValueError(f"{word} is not JSON")


def _short(text: str) -> int:
    if len(text) > MAX_DIGITS:
        raise ValueError("a number is too large")
    return int(text)


def _finite(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError("a number is too large")
    return value
