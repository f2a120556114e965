from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from itertools import chain
from pathlib import Path
from typing import Any

import click

from agnes_cli import saving
from agnes_cli.failures import BadInput, Failure, Refused

USAGE_EXPORT = "/api/admin/usage/export"
EXPORTS = "/api/admin/usage/exports"
EVENTS = ["tool_use", "subagent", "mcp_call", "slash_command", "prompt", "message"]
LOOKS_EVERY_SECONDS = 2.0


class ExportFailed(Failure):
    """The server could not make the file."""


@click.command()
@click.option("--format", "kind", type=click.Choice(["csv", "json", "parquet"]), default="csv", show_default=True)
@click.option("--since", help="Included: 7d, 24h, 30m, a day or a time (UTC).")
@click.option("--until", help="Not included.")
@click.option("--user", "user_id", help="An account's id or e-mail address.")
@click.option("--source", type=click.Choice(["curated", "flea", "builtin"]))
@click.option("--event-type", type=click.Choice(EVENTS))
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), help="A file; standard output if not given.")
def command(kind: str, out: Path | None, **wish: Any) -> None:
    """Download usage events, however many.

    What is too large for one answer the server makes in the background, and this waits for it; Ctrl-C cancels it.
    """
    from agnes_cli.server import connect

    if out is None and kind == "parquet" and sys.stdout.isatty():
        raise BadInput("parquet cannot be shown in a terminal", hint="Give a file with --out.")
    if out is not None:
        saving.require_place(out, replace=True)
    with connect() as server:
        try:
            with server.download(USAGE_EXPORT, format=kind, **wish) as pieces:
                _save(pieces, out)
        except Refused as exc:
            if exc.code != "export_too_large":
                raise
            _in_background(server, kind, wish, out)


def _save(pieces: Iterator[bytes], out: Path | None) -> None:
    if out is None:
        saving.to_standard_output(pieces)
    else:
        click.echo(f"{out}: {saving.save(pieces, out, replace=True):,} bytes.", err=True)


def _in_background(server: Any, kind: str, wish: dict[str, Any], out: Path | None) -> None:
    given = {name: value for name, value in wish.items() if value is not None}
    made = server.post(EXPORTS, {"format": kind, **given})
    path = f"{EXPORTS}/{made['id']}"
    try:
        made = _done(server, path, made)
        parts = [file["part"] for file in made["files"]]
        if kind == "parquet" and len(parts) > 1:
            _save_apart(server, path, parts, out)
            return
        with ExitStack() as open_files:
            _save(chain.from_iterable(_pieces(server, path, kind, parts, open_files)), out)
    finally:  # nobody else knows of it, so its files need not wait for their day to end
        with suppress(Failure):
            server.delete(path)


def _done(server: Any, path: str, made: dict[str, Any]) -> dict[str, Any]:
    """The export when it is done. Raises ExportFailed."""
    said = -1
    while made["status"] in ("queued", "running"):
        if made["rows"] != said and sys.stderr.isatty():
            click.echo(f"\r{(said := made['rows']):,} events written, of {made['events']:,} read", err=True, nl=False)
        time.sleep(LOOKS_EVERY_SECONDS)
        made = server.get(path)
    if said >= 0:
        click.echo("", err=True)
    if made["status"] == "failed":
        raise ExportFailed(f"the export failed: {made['error']}")
    return made


def _pieces(server: Any, path: str, kind: str, parts: list[int], files: ExitStack) -> Iterator[Iterator[bytes]]:
    """Each file's pieces. Of csv, the first file's header is that of all."""
    for part in parts:
        pieces = files.enter_context(server.download(f"{path}/files/{part}"))
        yield _without_header(pieces) if kind == "csv" and part > 1 else pieces
        files.close()


def _without_header(pieces: Iterator[bytes]) -> Iterator[bytes]:
    for piece in pieces:
        _, newline, rest = piece.partition(b"\n")
        if newline:
            yield rest
            yield from pieces


def _save_apart(server: Any, path: str, parts: list[int], out: Path | None) -> None:
    """Parquet files are not joined: those after the first are saved beside it."""
    if out is None:
        raise BadInput(f"the export has {len(parts)} parquet files", hint="Give a file with --out.")
    for part in parts:
        place = out if part == 1 else out.with_name(f"{out.stem}-{part}{out.suffix}")
        with server.download(f"{path}/files/{part}") as pieces:
            _save(pieces, place)
