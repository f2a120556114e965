"""Text that somebody else wrote, made safe to look at: what cannot be seen, or moves what can, is written out.

Escaping HTML is the templates' work. Each of their values goes through `finalized`, so no page shows anything else. Here are the characters that HTML lets through: control characters, and those by
which a text shows otherwise than it is read, such as bidirectional overrides ("Trojan Source", CVE-2021-42574).
"""

from __future__ import annotations

import re
from typing import Any

_HIDDEN = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\xad\u061c\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb"
    "\ufdd0-\ufdef\ufffe\uffff\U000e0000-\U000e0fff]"
)
"""Not tab and line feed, nor the joiners U+200C and U+200D, which scripts and emoji need."""


class Exact(str):
    """Text that a page has as it is: the value of a form's field, which comes back as it was."""

    __slots__ = ()


def finalized(value: Any) -> Any:
    """What a template writes of a value. HTML that was made is left alone, and so is what is exact."""
    if isinstance(value, str) and not (value.isascii() and value.isprintable()) and not hasattr(value, "__html__"):
        return value if isinstance(value, Exact) else visible(value)
    return value


def visible(text: str) -> str:
    """The same text with each hidden character as a picture or as its number."""
    return _HIDDEN.sub(_picture, text.replace("\r\n", "\n"))


def _picture(found: re.Match[str]) -> str:
    code = ord(found[0])
    if code < 0x20:
        return chr(0x2400 + code)
    return "\u2421" if code == 0x7F else f"\u27e6U+{code:04X}\u27e7"
