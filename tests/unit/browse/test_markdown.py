"""Markdown of strangers becomes HTML that does nothing."""

from __future__ import annotations

import re

import pytest

from agnes.browse.markdown import TAGS, rendered


@pytest.mark.parametrize(
    ("text", "html"),
    [
        ("**bold** and `code`", "<p><strong>bold</strong> and <code>code</code></p>"),
        ("# Title", "<h3>Title</h3>"),
        ("###### Deep", "<h6>Deep</h6>"),
        ("~~gone~~", "<p><s>gone</s></p>"),
        ("- a\n- b", "<ul>\n<li>a</li>\n<li>b</li>\n</ul>"),
        ("", ""),
        (
            "[site](https://example.com)",
            '<p><a href="https://example.com" rel="noopener noreferrer nofollow">site</a></p>',
        ),
        ("![alt](https://evil.test/pixel.png)", "<p></p>"),
        ("[x](docs/local.md)", '<p><a rel="noopener noreferrer nofollow">x</a></p>'),
    ],
)
def test_rendered(text: str, html: str) -> None:
    assert rendered(text).strip() == html


def test_a_table_scrolls_by_itself() -> None:
    assert '<div class="scrolls" tabindex="0"><table>' in rendered("| a | b |\n|---|---|\n| 1 | 2 |")


@pytest.mark.parametrize(
    "text",
    [
        "<script>alert(1)</script>",
        "<img src=x onerror=alert(1)>",
        "[x](javascript:alert(1))",
        "[x](java&#x0A;script:alert(1))",
        "[x](data:text/html;base64,PHNjcmlwdD4=)",
        "[x](vbscript:x)",
        '[x](https://a.test "onclick=alert(1) x")',
        '<a href="https://a.test" onclick="alert(1)">x</a>',
        "<style>*{display:none}</style>",
        "<iframe src=https://evil.test></iframe>",
        "`<b onmouseover=alert(1)>`",
        "<svg><use href='data:image/svg+xml,x'/></svg>",
        "<form action=https://evil.test><input name=password></form>",
        '<p style="position:fixed;inset:0">over everything</p>',
        "```html\n<script>alert(1)</script>\n```",
        "<!-- <script>alert(1)</script> -->",
        "[a]: javascript:alert(1)\n[a]",
        "<" * 5000,
        "[" * 5000,
        "*" * 5000,
    ],
)
def test_nothing_runs(text: str) -> None:
    html = rendered(text)
    tags = re.findall(r"<\s*/?\s*([a-zA-Z][a-zA-Z0-9]*)", html)
    assert set(tags) <= TAGS | {"div"}
    for attributes in re.findall(r"<[a-z0-9]+((?:\s[^>]*)?)>", html):
        names = set(re.findall(r'\s([a-z-]+)="', attributes))
        assert names <= {"href", "title", "rel", "tabindex", "class", "start"}, attributes
    for address in re.findall(r'href="([^"]*)"', html):
        assert address.startswith(("https://", "http://", "mailto:")), address


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("|a|b|\n|-|-|\n" + "|\n" * 32_000, id="rows"),
        pytest.param("|" + "a|" * 3000 + "\n|" + "-|" * 3000 + "\n" + "|a\n" * 17_000, id="wide rows"),
    ],
)
def test_a_table_of_next_to_nothing_does_not_become_a_megabyte(text: str) -> None:
    assert len(rendered(text)) < 4 * len(text)
