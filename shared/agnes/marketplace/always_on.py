"""How much a plugin's components put into every session, as `claude plugin details` estimates it when somebody installs it.

What a session is really told may be less: the client lists nothing that is only for people, and cuts descriptions when there are
many. Telemetry measures that (`agnes.telemetry.extraction.standing`); this is for plugins and sessions without a measurement.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from agnes.claude_code import listings
from agnes.marketplace import front_matter
from agnes.marketplace.model import Item

_NAMED_BY_PLUGIN = ("skill", "command")


def projected(
    items: Sequence[Item], files: Mapping[str, bytes], plugin: str, heads: Mapping[str, front_matter.Head] | None = None
) -> list[Item]:
    """The same items with `always_on`; of a plugin's files by path, and of those of them that were read already."""
    heads = heads or {}
    return [
        replace(
            item, always_on=_characters(item, heads.get(item.relpath) or front_matter.head(files[item.relpath]), plugin)
        )
        if item.kind in (*_NAMED_BY_PLUGIN, "agent") and item.relpath in files
        else item
        for item in items
    ]


def characters(item: Item, body: bytes, plugin: str) -> int:
    """Of a skill, command or agent, in UTF-16 units."""
    return _characters(item, front_matter.head(body), plugin)


def _characters(item: Item, head: front_matter.Head, plugin: str) -> int:
    fields = head.fields
    description = _text(fields.get("description")) or listings.first_line(head.text)
    when = fields.get("when_to_use")
    name = listings.skill_name(plugin, item.name) if item.kind in _NAMED_BY_PLUGIN else item.name
    return listings.length(listings.always_on(name, description, None if when is None else _javascript(when)))


def _text(value: Any) -> str | None:
    """A description as the client takes it: a text that is not blank, a number or a truth value; None for anything else."""
    if isinstance(value, str):
        return value.strip() or None
    return _javascript(value) if isinstance(value, bool | int | float) else None


def _javascript(value: Any) -> str:
    """A value as JavaScript's `String` writes it, as far as YAML has such values."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    if isinstance(value, list):
        return ",".join("" if each is None else _javascript(each) for each in value)
    return "[object Object]" if isinstance(value, dict) else str(value)
