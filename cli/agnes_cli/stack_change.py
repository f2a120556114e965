"""Several plugins into the stack, or out of it: each on its own, and every failure is told."""

from __future__ import annotations

import sys
from typing import Any

import click

from agnes_cli import shown
from agnes_cli.failures import BadInput, Failure, Refused


def run(plugins: tuple[str, ...], *, wanted: bool, as_json: bool) -> None:
    """Exits with 1 if one of them was refused. Raises what would be the same for all of them."""
    from agnes_cli.server import connect

    with connect() as server:
        outcomes = [_change(server, given, wanted=wanted) for given in plugins]
    if as_json:
        shown.as_json([told for told, _ in outcomes])
    failures = [failure for _, failure in outcomes if failure is not None]
    if not as_json:
        for told, failure in outcomes:
            if failure is None:
                click.echo(f"{told['id']} is {'in' if wanted else 'not in'} your stack.")
            else:
                failure.show()
        if len(failures) < len(outcomes):
            click.echo("`agnes refresh-marketplace` brings it to Claude Code.", err=True)
    if failures:
        sys.exit(failures[0].exit_code)


def _change(server: Any, given: str, *, wanted: bool) -> tuple[dict[str, Any], Failure | None]:
    from agnes_cli.catalog_ids import named

    try:
        found = named(server, given)
        answer = server.post(found.install) if wanted else server.delete(found.install)
    except (BadInput, Refused) as failure:
        return {"id": given, "error": failure.message, "hint": failure.hint}, failure
    return {"id": found.id, "installed": answer["installed"]}, None
