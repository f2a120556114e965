"""Colour on a terminal: NO_COLOR turns it off, FORCE_COLOR on, whatever the output is (no-color.org, force-color.org)."""

from __future__ import annotations

import os
import sys
from typing import TextIO

RED, GREEN, YELLOW, CYAN, BOLD = "31", "32", "33", "36", "1"


def enabled(stream: TextIO) -> bool:
    if os.environ.get("NO_COLOR"):
        return False
    if os.environ.get("FORCE_COLOR"):
        return True
    return stream.isatty() and os.environ.get("TERM") != "dumb"


def paint(text: str, code: str, *, err: bool = False) -> str:
    """`text` in a colour, if the stream that it goes to shows colours."""
    return f"\x1b[{code}m{text}\x1b[0m" if text and enabled(sys.stderr if err else sys.stdout) else text
