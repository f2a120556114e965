"""What plugins put before the model in a conversation, and how many tokens that is: measured from the client's listings.

A conversation (a session's own file, or a subagent's) has in its context what its listings put there since the last
compaction. Each response refers to that by a *listing*: the plugins with their tokens, and how many of those are new, that is
have been put there since the response before. A response carries the hash of its listing, and the first of a day the text,
too: a session with hundreds of skills adds no event, and the same stack gives the same text for everybody.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from datetime import date
from hashlib import blake2b
from typing import Any

from msgspec import Raw

from agnes.claude_code import listings
from agnes.telemetry.extraction.records import Attachment, value_of
from agnes.telemetry.extraction.served import BUILTIN, Served
from agnes.telemetry.model import Event

NOTHING = "none"
"""The listing of a response whose conversation was told of no plugin, in a session that has listings."""
FIRST = "first"
"""The listing of a conversation's first response where the session has none: the client is too old to write them. Of its
other responses it is None."""

WITH_NEW = "+"
"""What the hash of a listing with new tokens begins with."""

MAX_ENTRIES = 10_000
"""Of one attachment. The client lists hundreds."""

_WHITESPACE = re.compile(r"\s")
Key = tuple[str, str, str]
"""(source, marketplace_id, plugin); all but the first are empty for what is no plugin that we serve."""
OTHERS: Key = (BUILTIN, "", "")


def settle(messages: Iterable[Event], texts: dict[str, str]) -> None:
    """Of all responses of a session: put the text of each listing beside the day's first response that has it. Where the client
    wrote listings, a conversation without one was told of nothing."""
    if not texts:
        return
    said: set[tuple[str, date | None]] = set()
    for event in messages:
        text = texts.get(event.listing or "")
        if text is None:
            event.listing = NOTHING
            continue
        of_day = event.listing or "", event.occurred_at.date() if event.occurred_at else None
        if of_day not in said:
            said.add(of_day)
            event.loaded = text


class Context:
    """The listings of one conversation, as far as it was read."""

    def __init__(self, served: Served, texts: dict[str, str]) -> None:
        """`texts` are those of the session's listings by hash, to be filled."""
        self._served = served
        self._texts = texts
        self.held: dict[Key, int] = {}
        """Characters."""
        self._new: dict[Key, int] = {}
        self.is_first = True
        self._said: str | None = None
        """What the next response refers to, if that is known already."""

    def add(self, attachment: Attachment) -> None:
        for name, characters in _entries(attachment):
            key = self._plugin(attachment.type, name)
            self.held[key] = self.held.get(key, 0) + characters
            self._new[key] = self._new.get(key, 0) + characters
            self._said = None

    def compact(self) -> None:
        """Everything so far has left the context."""
        self.held, self._new, self._said, self.is_first = {}, {}, None, True

    def listing(self) -> str | None:
        """What the next response refers to."""
        if not self.held:
            is_first, self.is_first = self.is_first, False
            return FIRST if is_first else None
        if self._said is None:
            text = _text(self.held, self._new)
            name = blake2b(text.encode("utf-8", "replace"), digest_size=8).hexdigest()
            self._said = f"{WITH_NEW}{name}" if self._new else name
            self._texts[self._said] = text
        said = self._said
        if self._new:
            self._new, self._said = {}, None
        return said

    def _plugin(self, kind: str | None, name: str) -> Key:
        if kind == listings.TOOLS:
            item = self._served.mcp_item(name)
            return (item.source, item.marketplace_id, item.plugin) if item is not None else OTHERS
        prefix, colon, _ = name.partition(":")
        plugin = self._served.plugin(prefix) if colon else None
        return (plugin.source, plugin.marketplace_id, plugin.plugin) if plugin is not None else OTHERS


def _text(held: dict[Key, int], new: dict[Key, int]) -> str:
    """One line a plugin, sorted: `source, marketplace_id, plugin, tokens, new tokens`, with tabs between."""
    return "\n".join(
        "\t".join(
            (
                *(_WHITESPACE.sub(" ", part) for part in key),
                str(listings.tokens(characters)),
                str(listings.tokens(new.get(key, 0))),
            )
        )
        for key, characters in sorted(held.items())
    )


def _entries(attachment: Attachment) -> Iterator[tuple[str, int]]:
    if attachment.type == listings.SKILLS:
        content, names = value_of(attachment.content), _texts(attachment.names)
        found = listings.skill_entries(content, names or None) if isinstance(content, str) else ()
    elif attachment.type == listings.AGENTS:
        found = listings.line_entries(_texts(attachment.addedTypes), _texts(attachment.addedLines))
    else:
        found = listings.line_entries(_texts(attachment.addedNames), _texts(attachment.addedLines))
    yield from _first(found)


def _first(entries: Iterable[tuple[str, int]]) -> Iterator[tuple[str, int]]:
    for number, entry in enumerate(entries):
        if number >= MAX_ENTRIES:
            return
        yield entry


def _texts(raw: Raw) -> list[str]:
    value: Any = value_of(raw)
    return [each for each in value if isinstance(each, str)] if isinstance(value, list) else []
