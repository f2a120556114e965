"""What the docs tell people to type is there: commands with their options, and routes. Decisions tell what is not, too."""

from __future__ import annotations

import re
from collections.abc import Iterator

import click

from agnes_cli.main import agnes
from tests.architecture import decisions_page
from tests.architecture.test_sources import ROOT, texts

_COMMAND = re.compile(r"`(agnes [^`]+)`|^\s*(agnes [^#]+)")
_DECLARED = re.compile(r'@app\.route\(\s*(?:"([^"]+)"|(PATH))')
_ROUTE = re.compile(r"(?<![\w./])/(?:api|auth|admin|me|profile|marketplace|setup|login)(?:/[\w<>{}.|-]*)*")
GENERATED = re.compile("/(decisions|reference)/")
"""Decisions tell what is not there, too; the reference is generated from what is."""
_ANYWHERE = {"--help", "--json"}


def pages() -> Iterator[tuple[str, str]]:
    for name, text in texts():
        if name.endswith(".md") and name.startswith(("README", "docs/")) and not GENERATED.search(name):
            yield from ((f"{name}:{number}", line) for number, line in enumerate(text.splitlines(), 1))


def wrong_words(command: str) -> Iterator[str]:
    """`agnes admin usage summary|query --since 7d`: alternatives are looked up one by one."""
    here, words, context = agnes, command.split()[1:], click.Context(agnes)
    while words and isinstance(here, click.Group) and not words[0].startswith("-"):
        found = [(word, here.get_command(context, word.strip(",."))) for word in words.pop(0).split("|")]
        yield from (word for word, command in found if command is None)
        if (here := found[0][1]) is None:
            return
    known = _ANYWHERE | {option for parameter in here.params for option in (*parameter.opts, *parameter.secondary_opts)}
    yield from (option for word in words for option in re.findall(r"^--[a-z-]+", word) if option not in known)


def routes() -> list[re.Pattern[str]]:
    declared = set()
    for app in (ROOT / "functions").glob("*/*/app.py"):
        source = app.read_text()
        paths = re.findall(r'^PATH = "([^"]+)"', source, re.MULTILINE)
        declared |= {path or paths[0] for path, _ in _DECLARED.findall(source)}
    return [re.compile(re.sub(r"\{\w+\}", "[^/]+", path)) for path in declared]


def wrong_routes(line: str, known: list[re.Pattern[str]]) -> Iterator[str]:
    """`/api/me/<id>/list|kpis`; a beginning, such as /api/me, stands for what is below it."""
    for told in _ROUTE.findall(line):
        stem, _, last = re.sub(r"<[^>]*>|\{[^}]*\}", "x", told).rstrip("/.").rpartition("/")
        for path in (f"{stem}/{one}" for one in last.split("|")):
            if not any(route.fullmatch(path) or route.pattern.startswith(f"{path}/") for route in known):
                yield path


def test_commands_are_there() -> None:
    wrong = [
        f"{place}: {part.strip()}: {word}"
        for place, line in pages()
        for found in _COMMAND.findall(line)
        for part in "".join(found).split(";")
        if part.split()[:1] == ["agnes"]
        for word in wrong_words(part)
    ]
    assert not wrong, "\n".join(wrong)


def test_routes_are_there() -> None:
    known = routes()
    wrong = [f"{place}: {path}" for place, line in pages() for path in wrong_routes(line, known)]
    assert not wrong, "\n".join(wrong)


def test_words_that_are_not_there_are_found() -> None:
    assert list(wrong_words("agnes admin run telemetry.prune --dry-run --json")) == []
    assert list(wrong_words("agnes admin usage summary|sumary --window 30d --windo 7d")) == ["sumary", "--windo"]
    line = (
        "`GET /api/admin/sessions/<user>/<session>/transcript`, `/api/marketplace/…`, `/api/admin/sessions/list|lists`"
    )
    assert list(wrong_routes(line, routes())) == ["/api/admin/sessions/lists"]


def test_decisions_have_one_form_and_an_index() -> None:
    assert decisions_page.PAGE.read_text() == decisions_page.index(), "run `make docs`"


def test_decisions_are_numbered_without_gaps() -> None:
    numbers = [int(page.name[:4]) for page in sorted(decisions_page.FOLDER.glob("[0-9]*.md"))]
    assert numbers == list(range(1, len(numbers) + 1))
