"""What a page knows of its form that was sent and not accepted."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

ACTION = "action"
"""The field that says which form of a page was sent, and so which of them shows the errors."""


@dataclass(frozen=True)
class Refused:
    """A form that was sent and not accepted, as its page shows it again."""

    action: str = ""
    values: Mapping[str, list[str]] = field(default_factory=dict)
    """What was typed, by field; nothing that is a secret."""
    errors: Mapping[str, str] = field(default_factory=dict)
    """Field → what is wrong with it."""
    message: str = ""
    """What was wrong with the whole; empty where `errors` say it all."""
    hint: str = ""
    status: int = 400

    def value(self, action: str, name: str, default: str = "") -> str:
        """What a field of a form shows: what was typed if this form was refused, else `default`."""
        if action != self.action or name not in self.values:
            return default
        return self.values[name][0]

    def chosen(self, action: str, name: str, value: str, *, default: bool = False) -> bool:
        """Whether a box is ticked or an option chosen."""
        return value in self.values.get(name, ()) if action == self.action else default

    def error(self, action: str, name: str) -> str:
        return self.errors.get(name, "") if action == self.action else ""


NOT_SENT = Refused(action="\0")
"""The page as it is before anything was sent."""
