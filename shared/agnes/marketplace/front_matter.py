"""The YAML block at the head of a Markdown file."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import yaml

from agnes.marketplace.limits import MAX_DESCRIPTION_CHARACTERS, MAX_FRONT_MATTER_BYTES

_BLOCK = re.compile(rb"\A(?:\xef\xbb\xbf)?---[ \t]*\r?\n(.*?)(?:\r?\n)?^---[ \t]*\r?$\n?", re.DOTALL | re.MULTILINE)
_LINE = re.compile(r"^(name|description)[ \t]*:[ \t]*(\S.*?)[ \t]*$", re.MULTILINE)


class _Plain(yaml.SafeLoader):
    """YAML without aliases: nothing here needs them, and they are how a small file becomes a large one."""

    def compose_node(self, parent: Any, index: Any) -> Any:
        if self.check_event(yaml.AliasEvent):
            raise yaml.YAMLError("aliases are not read")
        return super().compose_node(parent, index)


@dataclass(frozen=True, slots=True)
class FrontMatter:
    name: str | None = None
    description: str = ""
    flawed: bool = False
    """The block is no YAML; name and description were taken from plain lines, as Claude Code does."""


def fields(body: bytes) -> dict[str, Any]:
    """Every field of the block; empty if there is none or it is no YAML."""
    found = _BLOCK.match(body[: MAX_FRONT_MATTER_BYTES + 8])
    try:
        value = yaml.load(found[1].decode("utf-8", "replace"), Loader=_Plain) if found else None  # noqa: S506 (as below)
    except (yaml.YAMLError, ValueError, RecursionError):
        return {}
    return {str(key): field for key, field in value.items()} if isinstance(value, dict) else {}


def read(body: bytes) -> FrontMatter:
    found = _BLOCK.match(body[: MAX_FRONT_MATTER_BYTES + 8])
    if found is None:
        return FrontMatter()
    text = found[1].decode("utf-8", "replace")
    try:
        value = yaml.load(text, Loader=_Plain)  # noqa: S506 (a SafeLoader)
    # A reader of scalars may raise ValueError (a date of month 13), nesting RecursionError.
    except (yaml.YAMLError, ValueError, RecursionError):
        lines = {key: words.strip("'\"") for key, words in reversed(_LINE.findall(text))}
        return FrontMatter(_text(lines.get("name")), _text(lines.get("description")) or "", flawed=True)
    if not isinstance(value, dict):
        return FrontMatter()
    return FrontMatter(_text(value.get("name")), _text(value.get("description")) or "")


def _text(value: Any) -> str | None:
    """A scalar as one line, None for anything else or nothing."""
    if value is None or isinstance(value, dict | list):
        return None
    words = " ".join(str(value).split())
    return "".join(c for c in words if c.isprintable())[:MAX_DESCRIPTION_CHARACTERS] or None
