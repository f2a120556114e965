"""Answers on a terminal: aligned columns, and nothing that a name from outside could do to the terminal."""

from __future__ import annotations

import json
import re
import sys
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import click

_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+Z")
"""Whose parts of a second tell a reader nothing."""
WIDEST = 60
"""Characters of one column on a terminal; whole text goes into a file or a pipe."""


def as_json(answer: Any) -> None:
    click.echo(json.dumps(answer, indent=2))


def table(columns: Mapping[str, str], rows: Sequence[Mapping[str, Any]], *, none: str) -> None:
    """Rows under headings. `columns`: heading → field; `none` is said, on standard error, where there is no row."""
    if not rows:
        click.echo(none, err=True)
        return
    limit = WIDEST if sys.stdout.isatty() else None
    lines = [list(columns), *([_cut(plain(row.get(field)), limit) for field in columns.values()] for row in rows)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    for line in lines:
        click.echo("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip())


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


def _cut(text: str, limit: int | None) -> str:
    return text if limit is None or len(text) <= limit else text[: limit - 1] + "…"
