"""Read your own writes: the generations that a client made travel with it.

A cookie for browsers, a header for clients, both `stack:12,people:4`; a read that presents one is
never answered from an older generation, whichever worker takes it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from agnes import wiring
from agnes.edge.request import Request
from agnes.kernel.cookies import set_cookie

COOKIE = "agnes_seen"
HEADER = "X-Agnes-Generation"
COOKIE_SECONDS = 60

_ITEM = re.compile(r"^([a-z]{1,32}):(\d{1,15})$")


def parse(text: str) -> dict[str, int]:
    """`stack:12,people:4` as a mapping; what is malformed is left out, it is only a hint."""
    found = (_ITEM.match(item.strip()) for item in text.split(",")[:16])
    return {match[1]: int(match[2]) for match in found if match}


@dataclass
class Seen:
    expected: dict[str, int]
    made: dict[str, int]
    secure: bool
    base_path: str

    def headers(self) -> dict[str, str]:
        return {HEADER: self._text()} if self.made else {}

    def cookies(self) -> tuple[str, ...]:
        if not self.made:
            return ()
        return (set_cookie(COOKIE, self._text(), path=self.base_path, seconds=COOKIE_SECONDS, secure=self.secure),)

    def _text(self) -> str:
        merged = dict(self.expected)
        for file, generation in self.made.items():
            merged[file] = max(generation, merged.get(file, 0))
        return ",".join(f"{file}:{generation}" for file, generation in sorted(merged.items()))


@contextmanager
def carried(request: Request) -> Iterator[Seen]:
    """Reads inside are at least as new as what the client has seen; commits inside are noted."""
    expected = parse(request.cookies.get(COOKIE, ""))
    for file, generation in parse(request.headers.get(HEADER.lower(), "")).items():
        expected[file] = max(generation, expected.get(file, 0))
    settings = wiring.settings()
    with wiring.state().session(expected) as session:
        yield Seen(expected, session.made, settings.secure_cookies, settings.base_path)
