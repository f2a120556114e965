"""Answers on a terminal: aligned columns, and nothing that a name from outside could do to the terminal."""

from __future__ import annotations

import json
import re
import shutil
import sys
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import click

from agnes_cli import colour

_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+Z")
"""Whose parts of a second tell a reader nothing."""
NARROWEST = 4
WIDEST = 60
"""Characters of one column on a terminal; whole text goes into a file or a pipe."""


def as_json(answer: Any) -> None:
    click.echo(json.dumps(answer, indent=2))


def table(columns: Mapping[str, str], rows: Sequence[Mapping[str, Any]], *, none: str) -> None:
    """Rows under headings. `columns`: heading → field; `none` is said, on standard error, where there is no row."""
    if not rows:
        click.echo(none, err=True)
        return
    width = shutil.get_terminal_size().columns if sys.stdout.isatty() else None
    heading, *rest = lines(columns, rows, width=width)
    click.echo(colour.paint(heading, colour.BOLD), color=True)
    for line in rest:
        click.echo(line)


def lines(columns: Mapping[str, str], rows: Sequence[Mapping[str, Any]], *, width: int | None) -> list[str]:
    """The heading and a line a row. On a terminal of `width` characters the widest columns are cut until a line fits."""
    cells = [list(columns), *([plain(row.get(field)) for field in columns.values()] for row in rows)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    if width is not None:
        widths = [min(each, WIDEST) for each in widths]
        while sum(widths) + 2 * len(widths) - 2 > width and max(widths) > NARROWEST:
            widths[widths.index(max(widths))] -= 1
    return ["  ".join(_cut(cell, n).ljust(n) for cell, n in zip(line, widths, strict=True)).rstrip() for line in cells]


def facts(pairs: Mapping[str, Any]) -> None:
    """One line a fact that there is; what is inside of another one is named by both, `transcripts.status`."""
    shown = {name: plain(value) for name, value in _flat(pairs) if value not in (None, "", [], {})}
    width = max(map(len, shown), default=0)
    for name, value in shown.items():
        click.echo(f"{name.ljust(width)}  {value}")


def plain(value: Any) -> str:
    """A value as one line of text without control characters."""
    match value:
        case None:
            return ""
        case bool():
            return "yes" if value else "no"
        case list():
            return ", ".join(plain(each) for each in value)
        case str() if _TIME.fullmatch(value):
            return value.partition(".")[0] + "Z"
        case _:
            text = str(value).replace("\n", " ")
            return "".join(c for c in text if unicodedata.category(c) not in ("Cc", "Cf", "Cs", "Zl", "Zp"))


def _flat(pairs: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    for name, value in pairs.items():
        if isinstance(value, Mapping):
            yield from ((f"{plain(name)}.{inner}", found) for inner, found in _flat(value))
        else:
            yield plain(name), value


def _cut(text: str, limit: int) -> str:
    return text if len(text) <= limit else text[: limit - 1] + "…"
