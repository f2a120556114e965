"""The first statement of a workflow: `export const meta = { name: "…", description: "…" }`.

The client takes a script only if that comes first and is a plain literal. This reads the two texts that are shown, by a scanner that
is linear in the length of the literal; what it cannot read is no workflow.
"""

from __future__ import annotations

import re

MAX_META_CHARACTERS = 16_000
_START = re.compile(r"(?:\s|//[^\n]*(?:\n|$)|/\*.*?\*/)*export\s+const\s+meta\s*=\s*\{", re.DOTALL)
_KEY = re.compile(r"""(?:(?P<name>[A-Za-z_$][\w$]*)|"(?P<double>[^"\\\n]*)"|'(?P<single>[^'\\\n]*)')\s*:""")
_TEXT = re.compile(r""""(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*'|`(?:[^`\\$]|\\.|\$(?!\{))*`""", re.DOTALL)
_SKIPPED = re.compile(r"\s+|//[^\n]*(?:\n|$)|/\*.*?\*/", re.DOTALL)
_ESCAPES = {"n": "\n", "t": "\t", "r": "\r", "b": "\b", "f": "\f", "v": "\v", "0": "\0"}


def workflow_meta(script: str) -> tuple[str, str] | None:
    """(name, description) of a workflow, None for what is none. The description may be empty."""
    start = _START.match(script.removeprefix("\ufeff")[:MAX_META_CHARACTERS])
    if start is None:
        return None
    text = script.removeprefix("\ufeff")[start.end() : start.end() + MAX_META_CHARACTERS]
    found: dict[str, str] = {}
    at, depth, key = 0, 1, ""
    while at < len(text) and depth:
        if skipped := _SKIPPED.match(text, at):
            at = skipped.end()
        elif depth == 1 and not key and (named := _KEY.match(text, at)):
            key = named["name"] or named["double"] or named["single"] or ""
            at = named.end()
        elif string := _TEXT.match(text, at):
            if depth == 1 and key:
                found.setdefault(key, _unescaped(string[0][1:-1]))
            at = string.end()
        else:
            depth += {"{": 1, "[": 1, "}": -1, "]": -1}.get(text[at], 0)
            if depth == 1 and text[at] == ",":
                key = ""
            at += 1
    name = found.get("name", "").strip()
    return (name, " ".join(found.get("description", "").split())) if name and depth == 0 else None


def _unescaped(text: str) -> str:
    return re.sub(
        r"\\(?:u([0-9a-fA-F]{4})|(.))", lambda m: chr(int(m[1], 16)) if m[1] else _ESCAPES.get(m[2], m[2]), text
    )
