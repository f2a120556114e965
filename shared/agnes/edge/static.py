"""Files below `templates/static/`: the stylesheet, scripts and images of the pages."""

from __future__ import annotations

from functools import cache

from agnes.edge.branding import THEME, look, theme_css
from agnes.edge.render import TEMPLATES
from agnes.edge.reply import Reply
from agnes.kernel.errors import NotFoundError

CONTENT_TYPES = {
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
    ".png": "image/png",
}


@cache
def _known() -> dict[str, str]:
    """Path below `static/` → content type. Only what is listed here can be asked for."""
    root = TEMPLATES / "static"
    return {
        file.relative_to(root).as_posix(): CONTENT_TYPES[file.suffix]
        for file in root.rglob("*")
        if file.suffix in CONTENT_TYPES
    }


def static_file(path: str) -> Reply:
    """The file with a year of caching: its URL carries the hash of its content. Raises NotFoundError."""
    if path == THEME:
        return _cached(theme_css(look()), CONTENT_TYPES[".css"])
    content_type = _known().get(path)
    if content_type is None:
        raise NotFoundError(f"there is no file {path[:100]!r}", code="file_not_found")
    return _cached(_read(path), content_type)


def _cached(body: bytes | str, content_type: str) -> Reply:
    return Reply(
        body=body,
        content_type=content_type,
        headers={"Cache-Control": "public, max-age=31536000, immutable"},
    )


@cache
def _read(path: str) -> bytes:
    return (TEMPLATES / "static" / path).read_bytes()
