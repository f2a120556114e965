"""Markdown as HTML for pages: rendered by markdown-it, sanitised by nh3. Texts are strangers'."""

from __future__ import annotations

import re
from functools import cache, lru_cache
from typing import Any

TAGS = frozenset(
    [
        "a",
        "abbr",
        "b",
        "blockquote",
        "br",
        "code",
        "dd",
        "del",
        "dl",
        "dt",
        "em",
        "h2",
        "h3",
        "h4",
        "h5",
        "h6",
        "hr",
        "i",
        "kbd",
        "li",
        "ol",
        "p",
        "pre",
        "s",
        "strong",
        "sub",
        "sup",
        "table",
        "tbody",
        "td",
        "th",
        "thead",
        "tr",
        "ul",
    ]
)
MAX_PIPES = 4_000
"""Of a text with tables. Two bytes of a row may become a row of any width, so a text with more is shown without them."""

_HEADING = re.compile(r"<(/?)h([1-6])>")


@lru_cache(512)
def rendered(text: str) -> str:
    """CommonMark with tables and strikethrough; raw HTML shown as text, links without referrer, no images."""
    import nh3

    if not text:
        return ""
    text = text.removeprefix("\ufeff")
    html = _HEADING.sub(_deeper, _parser(tables=text.count("|") <= MAX_PIPES).render(text))
    clean = nh3.clean(
        html,
        tags=set(TAGS),
        attributes={"a": {"href", "title"}, "ol": {"start"}},
        attribute_filter=_absolute_only,
        url_schemes={"https", "http", "mailto"},
        link_rel="noopener noreferrer nofollow",
    )
    # A wide table or line of code scrolls by itself, reachable by keyboard.
    return (
        clean.replace("<pre>", '<pre tabindex="0">')
        .replace("<table>", '<div class="scrolls" tabindex="0"><table>')
        .replace("</table>", "</table></div>")
    )


def _absolute_only(tag: str, attribute: str, value: str) -> str | None:  # noqa: ARG001 (nh3's signature)
    """A path within the plugin's repository leads nowhere on this site."""
    if attribute == "href" and not value.startswith(("https://", "http://", "mailto:")):
        return None
    return value


def _deeper(found: re.Match[str]) -> str:
    """The page has its own h1 and h2: a text's headings begin below."""
    return f"<{found[1]}h{min(6, int(found[2]) + 2)}>"


@cache
def _parser(*, tables: bool) -> Any:
    from markdown_it import MarkdownIt

    return MarkdownIt("commonmark", {"html": False}).enable(["strikethrough", *(["table"] if tables else [])])
