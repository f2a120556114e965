from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import click

from agnes_cli import saving

EXPORT = "/api/admin/audit/export"


@click.command()
@click.option("--format", "kind", type=click.Choice(["csv", "json"]), default="csv", show_default=True)
@click.option("--since", default="2000-01-01", show_default=True, help="The first day (UTC), such as 2026-11-01.")
@click.option("--until", help="The last day, included; today if not given.")
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), help="A file; standard output if not given.")
def command(kind: str, since: str, until: str | None, out: Path | None) -> None:
    """Download the audit, oldest first, with each line's place in its chain.

    json is one object a line, exactly as it is stored, so its digests can be computed again. csv is for spreadsheets.
    """
    from agnes_cli.server import connect

    if out is not None:
        saving.require_place(out, replace=True)
    until = until or datetime.now(UTC).date().isoformat()
    with connect() as server:
        pieces = server.parts(EXPORT, format=kind, since=since, until=until)
        if out is None:
            saving.to_standard_output(pieces)
        else:
            click.echo(f"{out}: {saving.save(pieces, out, replace=True):,} bytes.", err=True)
