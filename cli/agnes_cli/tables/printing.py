"""Rows of queries: as a table, as JSON, or as CSV; the same for what came from a copy and from the server."""

from __future__ import annotations

import csv
import json
import shutil
import sys
from collections.abc import Sequence
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any

import click

from agnes_cli import shown

FORMATS = ("table", "json", "csv")


def show(columns: Sequence[str], rows: Sequence[Sequence[Any]], *, format: str) -> None:
    if format == "json":
        click.echo(json.dumps(records(columns, rows), indent=2))
    elif format == "csv":
        lines = csv.writer(sys.stdout, lineterminator="\n")
        lines.writerow(columns)
        lines.writerows(["" if cell is None else _told(cell) for cell in row] for row in rows)
    elif _too_wide(columns):
        _show_records(columns, rows)
    else:
        titles = {shown.plain(name): number for number, name in enumerate(columns)}
        if len(titles) == len(columns):
            shown.table(
                {title: str(number) for title, number in titles.items()}, [_cells(row) for row in rows], none="No rows."
            )
        else:  # two columns of one name
            _show_records(columns, rows)


def records(columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> list[dict[str, Any]]:
    return [dict(zip(columns, map(_json, row), strict=True)) for row in rows]


def _cells(row: Sequence[Any]) -> dict[str, Any]:
    return {str(number): "" if cell is None else _told(cell) for number, cell in enumerate(row)}


def _show_records(columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
    width = max((len(shown.plain(name)) for name in columns), default=0)
    for number, row in enumerate(rows, 1):
        click.echo(f"-- {number}")
        for name, cell in zip(columns, row, strict=True):
            click.echo(f"{shown.plain(name).ljust(width)}  {'' if cell is None else shown.plain(_told(cell))}".rstrip())
    if not rows:
        click.echo("No rows.", err=True)


def _too_wide(columns: Sequence[str]) -> bool:
    """Names alone would not fit: each row is shown as a record then."""
    return sys.stdout.isatty() and sum(len(name) + 2 for name in columns) > shutil.get_terminal_size().columns


def _told(cell: Any) -> Any:
    match cell:
        case datetime() | date() | time():
            return cell.isoformat()
        case bytes():
            return cell.hex()
        case list() | dict() | tuple():
            return json.dumps(_json(cell), ensure_ascii=False)
        case _:
            return cell


def _json(cell: Any) -> Any:
    """As exact as JSON can be: numbers that it cannot hold are texts."""
    match cell:
        case None | bool() | str():
            return cell
        case int():
            return cell if abs(cell) < 1 << 53 else str(cell)
        case float():
            return cell if cell == cell and abs(cell) != float("inf") else None  # noqa: PLR0124 (not a number)
        case Decimal():
            return str(cell)
        case datetime() | date() | time():
            return cell.isoformat()
        case timedelta():
            return str(cell)
        case bytes():
            return cell.hex()
        case list() | tuple():
            return [_json(each) for each in cell]
        case dict():
            return {str(key): _json(value) for key, value in cell.items()}
        case _:
            return str(cell)
