"""Names that a transcript gives: printable, of bounded length, and a bounded number of them."""

from __future__ import annotations

import re

MAX_NAMES, MAX_MODELS = 2_000, 100
"""Of one session: names of tools, skills, agents, commands and folders together, and of models."""

MORE_NAMES = "(more names)"

_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]")
"""Control characters, which a terminal or a spreadsheet would obey, and halves of characters."""


class Names(dict[str | None, str | None]):
    """`cleaned` names, remembered: a session has few, and many times each. All beyond `most` are one, MORE_NAMES: each name has
    rows of its own in everybody's figures."""

    def __init__(self, most: int) -> None:
        super().__init__()
        self._most = most

    def __missing__(self, value: str | None) -> str | None:
        if len(self) >= self._most and value:
            return MORE_NAMES
        found = self[value] = cleaned(value)
        return found


NAME_LIMIT = 500


def cleaned(value: str | None) -> str | None:
    """A name as it may be stored and shown: printable and of bounded length; None for nothing."""
    if not value:
        return None
    if len(value) > NAME_LIMIT:
        value = value[:NAME_LIMIT]
    return value if value.isprintable() else _UNPRINTABLE.sub("\ufffd", value)
