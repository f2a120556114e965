"""Demo videos: which addresses are played on the page, and from where exactly the page then may load something.

A player is made of a recognised video id alone, never of the address that a curator wrote; what is not recognised stays
a link. `source` goes into the page's Content-Security-Policy (docs/decisions/0033-video-embeds.md).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal
from urllib.parse import parse_qs, urlsplit

YOUTUBE, VIMEO = "https://www.youtube-nocookie.com", "https://player.vimeo.com"

_YOUTUBE_HOSTS = frozenset(
    {"youtube.com", "www.youtube.com", "m.youtube.com", "youtube-nocookie.com", "www.youtube-nocookie.com"}
)
_YOUTUBE_ID = re.compile(r"[A-Za-z0-9_-]{11}")
_YOUTUBE_PATH = re.compile(r"/(?:embed|shorts|live|v)/([^/]+)/?")
_VIMEO_PATH = re.compile(r"/(?:video/)?([0-9]{5,12})(?:/([0-9a-f]{6,20}))?/?")
_VIMEO_HASH = re.compile(r"[0-9a-f]{6,20}")
_FILE = re.compile(
    r"https://[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?(?::[0-9]{1,5})?/[A-Za-z0-9._~/%-]*\.(?:mp4|webm|ogg|ogv)"
)


@dataclass(frozen=True, slots=True)
class Player:
    """`address` is framed or played; `source` is all that the page may load for it."""

    kind: Literal["frame", "file"]
    address: str
    source: str
    service: str
    """As people call it."""

    @property
    def policy(self) -> str:
        return f"{'frame-src' if self.kind == 'frame' else 'media-src'} {self.source}"


def find_player(url: str | None) -> Player | None:
    """What plays a video address on a page, or None for a link only."""
    if not url:
        return None
    try:
        parts = urlsplit(url)
        query = parse_qs(parts.query, max_num_fields=20)
        host = (parts.hostname or "").lower()
        usual_port = parts.port in (None, 80, 443)
    except ValueError:
        return None
    if usual_port and (video_id := _youtube_id(host, parts.path, query)):
        return Player("frame", f"{YOUTUBE}/embed/{video_id}", YOUTUBE, "YouTube")
    if usual_port and (said := _vimeo_id(host, parts.path, query)):
        number, secret = said
        address = f"{VIMEO}/video/{number}?dnt=1{f'&h={secret}' if secret else ''}"
        return Player("frame", address, VIMEO, "Vimeo")
    if _FILE.fullmatch(url):
        return Player("file", url, url, host)
    return None


def _youtube_id(host: str, path: str, query: dict[str, list[str]]) -> str | None:
    if host == "youtu.be":
        found = path.strip("/")
    elif host in _YOUTUBE_HOSTS:
        in_path = _YOUTUBE_PATH.fullmatch(path)
        found = in_path[1] if in_path else query.get("v", [""])[0] if path == "/watch" else ""
    else:
        return None
    return found if _YOUTUBE_ID.fullmatch(found) else None


def _vimeo_id(host: str, path: str, query: dict[str, list[str]]) -> tuple[str, str] | None:
    """A video that is not listed has a second word, without which it does not play."""
    if host not in ("vimeo.com", "www.vimeo.com", "player.vimeo.com"):
        return None
    found = _VIMEO_PATH.fullmatch(path)
    if found is None:
        return None
    secret = found[2] or query.get("h", [""])[0]
    return found[1], secret if _VIMEO_HASH.fullmatch(secret) else ""
