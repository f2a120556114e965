"""Identifiers as they may be stored and shown: of bounded length, in printable characters."""

from __future__ import annotations

from hashlib import blake2b

import msgspec

from agnes.telemetry.extraction.naming import cleaned
from agnes.telemetry.model import Event

KEY_LIMIT = 300
UUID_LENGTH = 36

_CHECKED_AT_ONCE = 1000
_PRINTABLE_ASCII = bytes(range(0x20, 0x7F))
_encode = msgspec.json.Encoder().encode


def short(text: str) -> str:
    """A key that any file can hold, but for its characters. Real ones are short; a long one is hashed here already."""
    return text if len(text) <= KEY_LIMIT else hashed(text)


def bounded(text: str) -> str:
    """The same, in printable characters."""
    return text if len(text) <= KEY_LIMIT and text.isprintable() else hashed(text)


def hashed(text: str) -> str:
    return blake2b(text.encode("utf-8", "replace"), digest_size=16).hexdigest()


def make_storable(events: list[Event]) -> None:
    """Replace what is unprintable in the identifiers of a session's events.

    Nothing is, but for who means harm, and that is seen at once of thousands of characters together: one by one took a
    twentieth of extraction.
    """
    for start in range(0, len(events), _CHECKED_AT_ONCE):
        some = events[start : start + _CHECKED_AT_ONCE]
        texts = [event.event_id for event in some]
        texts += [event.uuid or "" for event in some]
        texts += [event.parent_uuid or "" for event in some]
        if _are_printable_ascii("".join(texts)):
            continue
        for event in some:
            event.event_id = bounded(event.event_id)
            event.uuid, event.parent_uuid = cleaned(event.uuid), cleaned(event.parent_uuid)


def _are_printable_ascii(text: str) -> bool:
    if not text.isascii():
        return False
    encoded = _encode(text)  # the fastest look at each character: it escapes all that are unprintable but the last
    return (len(encoded) == len(text) + 2 and b"\x7f" not in encoded) or not text.encode().translate(
        None, _PRINTABLE_ASCII
    )
