"""JSON from outside: bounded, read as Claude Code reads it, and safe to write out again."""

from __future__ import annotations

import json
import math
import re
from typing import Any

from agnes.marketplace.limits import MAX_JSON_DEPTH, MAX_MANIFEST_BYTES

MAX_DIGITS = 100
MAX_DOCUMENT_DEPTH = 200
"""Of a document whose parts are judged one by one: deeper than any reader needs, and no reader's stack ends there."""
_UNWRITABLE = re.compile("[\x00\ud800-\udfff]")


def parse(body: bytes) -> Any:
    """The value of a document. Raises ValueError with a reason in words.

    Refused beyond what JSON says: more than MAX_MANIFEST_BYTES, deeper than MAX_JSON_DEPTH, numbers that are not finite. Of a
    key that is given twice the last one counts, as for Claude Code; NUL and half surrogates in text become U+FFFD.
    """
    value = load(body)
    check(value)
    return value


def load(body: bytes) -> Any:
    """The value of a document whose parts are then judged by `check`, so that one bad part costs no other.

    Raises ValueError.
    """
    if len(body) > MAX_MANIFEST_BYTES:
        raise ValueError(f"larger than {MAX_MANIFEST_BYTES} bytes")
    try:
        text = body.decode("utf-8-sig")
    except UnicodeDecodeError as exc:
        raise ValueError("not UTF-8") from exc
    if _depth(text) > MAX_DOCUMENT_DEPTH:
        raise ValueError(f"nested deeper than {MAX_JSON_DEPTH}")
    try:
        value = json.loads(text, parse_constant=_no_constant, parse_int=_number)
    except json.JSONDecodeError as exc:
        raise ValueError(f"not JSON: {exc.msg} at line {exc.lineno}, column {exc.colno}") from exc
    # Such text comes from escapes only: what is no UTF-8 was refused.
    return _writable(value) if "\\u" in text else value


def check(value: Any, depth: int = 1) -> None:
    """Raise ValueError for what nests too deep or cannot be written out again."""
    if isinstance(value, float) and not math.isfinite(value):
        raise ValueError("a number is too large")
    if isinstance(value, (dict, list)):
        if depth > MAX_JSON_DEPTH:
            raise ValueError(f"nested deeper than {MAX_JSON_DEPTH}")
        for item in value.values() if isinstance(value, dict) else value:
            check(item, depth + 1)


def _writable(value: Any) -> Any:
    if isinstance(value, str):
        return _UNWRITABLE.sub("\ufffd", value)
    if isinstance(value, list):
        return [_writable(item) for item in value]
    if isinstance(value, dict):
        return {_UNWRITABLE.sub("\ufffd", key): _writable(item) for key, item in value.items()}
    return value


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


def _no_constant(word: str) -> Any:
    raise ValueError(f"{word} is not JSON")


def _number(text: str) -> int | float:
    return int(text) if len(text) <= MAX_DIGITS else math.inf
