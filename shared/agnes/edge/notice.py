"""A sentence that the next page shows once: what a form did.

It is in a cookie of this site, so no link and no other site can make a page say something, and the page that shows it
takes it away.
"""

from __future__ import annotations

import base64
import binascii

from agnes.edge.request import Request
from agnes.kernel.cookies import set_cookie
from agnes.settings import Settings

NAME = "agnes_notice"
MOST_CHARACTERS = 600
SECONDS = 120
"""Whoever does not open the page within that time is not told later, on another page."""


def cookie(text: str, settings: Settings) -> str:
    value = base64.urlsafe_b64encode(text[:MOST_CHARACTERS].encode()).decode()
    return _cookie(value, settings, seconds=SECONDS)


def end(settings: Settings) -> str:
    return _cookie("", settings, seconds=0)


def read(request: Request) -> str:
    """The sentence; empty if there is none, or none that can be read."""
    value = request.cookies.get(NAME, "")
    try:
        return base64.urlsafe_b64decode(value).decode()[:MOST_CHARACTERS] if value else ""
    except (binascii.Error, UnicodeDecodeError, ValueError):
        return ""


def _cookie(value: str, settings: Settings, *, seconds: int) -> str:
    return set_cookie(NAME, value, path=settings.base_path, seconds=seconds, secure=settings.secure_cookies)
