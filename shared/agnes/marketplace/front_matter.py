"""The YAML block at the head of a Markdown file, as the client reads it.

Read in 2.1.197 and 2.1.332: the block begins with `---` in the first line and ends at the next `---`, wherever that is. YAML is that
of version 1.2 (`yes` is a word, `1:30` no number). A block that is no YAML is read once more with the values of plain
`key: value` lines quoted; if that fails, too, the file has no fields.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

import yaml

from agnes.marketplace.limits import MAX_DESCRIPTION_CHARACTERS, MAX_FRONT_MATTER_BYTES

_BLOCK = re.compile(r"---\s*\n(.*?)---\s*\n?", re.DOTALL)
_PLAIN_LINE = re.compile(r"([a-zA-Z_-]+):\s+(\S.*)")
_NEEDS_QUOTES = re.compile(r"[{}\[\]*&#!|>%@`]|: ")
_TABS = re.compile(r"^\t+", re.MULTILINE)


class _Core(yaml.SafeLoader):
    """YAML 1.2's core schema, without aliases: nothing here needs them, and they are how a small file becomes a large one."""

    yaml_implicit_resolvers = {}  # noqa: RUF012 (PyYAML's own attribute)

    def compose_node(self, parent: Any, index: Any) -> Any:
        if self.check_event(yaml.AliasEvent):
            raise yaml.YAMLError("aliases are not read")
        return super().compose_node(parent, index)


_TAG = "tag:yaml.org,2002:"
_Core.add_implicit_resolver(f"{_TAG}bool", re.compile(r"(?:true|True|TRUE|false|False|FALSE)\Z"), list("tTfF"))
_Core.add_implicit_resolver(f"{_TAG}null", re.compile(r"(?:~|null|Null|NULL|)\Z"), ["~", "n", "N", ""])
_Core.add_implicit_resolver(f"{_TAG}int", re.compile(r"[-+]?[0-9]+\Z"), list("-+0123456789"))
_Core.add_implicit_resolver(
    f"{_TAG}float", re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?\Z"), list("-+0123456789.")
)


def _int(loader: _Core, node: yaml.ScalarNode) -> int:
    return int(loader.construct_scalar(node))


def _float(loader: _Core, node: yaml.ScalarNode) -> float:
    return float(loader.construct_scalar(node))


_Core.add_constructor(f"{_TAG}int", _int)
_Core.add_constructor(f"{_TAG}float", _float)


@dataclass(frozen=True, slots=True)
class Head:
    """A Markdown file in two parts."""

    fields: dict[str, Any] = field(default_factory=dict)
    text: str = ""
    """What follows the block; the whole file if there is none."""
    flawed: bool = False
    """The block is no YAML, so the client reads no field of it."""


def head(body: bytes) -> Head:
    text = body.decode("utf-8", "replace").removeprefix("\ufeff")
    found = _BLOCK.match(text[:MAX_FRONT_MATTER_BYTES]) if text.startswith("---") else None
    if found is None:
        return Head(text=text)
    block, rest = found[1], text[found.end() :]
    for attempt in (block, _quoted(block)):
        try:
            value = yaml.load(attempt, Loader=_Core)  # noqa: S506 (a SafeLoader)
        # A reader of scalars may raise ValueError, nesting RecursionError.
        except (yaml.YAMLError, ValueError, RecursionError):
            continue
        return Head({str(key): value[key] for key in value} if isinstance(value, dict) else {}, rest)
    return Head({}, rest, flawed=True)


def _quoted(block: str) -> str:
    """The block with quotes around values that YAML might take for something else, and no tabs before a line."""
    lines = []
    for line_ in block.split("\n"):
        plain = _PLAIN_LINE.fullmatch(line_.rstrip("\r"))
        if plain and _NEEDS_QUOTES.search(plain[2]) and not _is_quoted_or_list(plain[2]):
            escaped = plain[2].replace("\\", "\\\\").replace('"', '\\"')
            lines.append(f'{plain[1]}: "{escaped}"')
        else:
            lines.append(line_)
    return _TABS.sub(lambda tabs: "  " * len(tabs[0]), "\n".join(lines))


def _is_quoted_or_list(value: str) -> bool:
    if len(value) > 1 and value[0] == value[-1] and value[0] in "\"'":
        return True
    if not (value.startswith("[") and value.endswith("]")):
        return False
    try:
        return isinstance(yaml.load(value, Loader=_Core), list)  # noqa: S506 (a SafeLoader)
    except (yaml.YAMLError, ValueError, RecursionError):
        return False


def line(value: Any) -> str | None:
    """A scalar as one line in the form that JavaScript writes it, None for anything else or nothing."""
    if value is None or isinstance(value, dict | list):
        return None
    if isinstance(value, bool):
        value = "true" if value else "false"
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    words = " ".join(str(value).split())
    return "".join(c for c in words if c.isprintable())[:MAX_DESCRIPTION_CHARACTERS] or None
