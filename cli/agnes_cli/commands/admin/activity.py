from __future__ import annotations

import re
import sys
from typing import TYPE_CHECKING, Any

import click

from agnes_cli import shown
from agnes_cli.failures import BadInput
from agnes_cli.options import JSON

ACTIVITY = "/api/admin/activity"
MOST = 5000
"""Lines at once."""
COLUMNS = {
    "TIME": "ts",
    "WHO": "who",
    "ACTION": "action",
    "THING": "resource",
    "RESULT": "result",
    "FROM": "client_kind",
}
SYNC_COLUMNS = {
    "BEGAN": "started_at",
    "MARKETPLACE": "marketplace_id",
    "OUTCOME": "outcome",
    "COMMIT": "commit",
    "SECONDS": "duration_seconds",
    "ERROR": "error",
}
FIELD_COLUMNS = {"": "color", "FIELD": "label", "STATE": "value", "WHAT TO DO": "advice"}
_SINCE = re.compile(r"([1-9]\d{0,5})([mhd]?)")
_MINUTES = {"": 1, "m": 1, "h": 60, "d": 1440}


if TYPE_CHECKING:
    _Minutes = click.ParamType[int]
else:  # not generic in older releases of click
    _Minutes = click.ParamType


class Since(_Minutes):
    """30m, 24h, 7d, or minutes."""

    name = "since"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        if isinstance(value, int):
            return value
        found = _SINCE.fullmatch(value)
        if not found:
            self.fail(f"{value!r} is none of 30m, 24h, 7d or a number of minutes", param, ctx)
        return int(found[1]) * _MINUTES[found[2]]


def _filters(command: Any) -> Any:
    for option in (
        click.option("--since", type=Since(), default="24h", show_default=True, help="30m, 24h, 7d, or minutes."),
        click.option("--user", help="Id or e-mail address of a person."),
        click.option("--action", help="What the action begins with, such as user."),
        click.option("--resource", help="The thing, such as marketplace:acme."),
        click.option("--result", help="Pattern with % and _, such as error%."),
        click.option("--text", help="What the details contain."),
        click.option("--limit", type=click.IntRange(1, MOST), default=50, show_default=True),
        JSON,
    ):
        command = option(command)
    return command


@click.group(invoke_without_command=True)
@_filters
@click.pass_context
def command(ctx: click.Context, /, **options: Any) -> None:
    """Who did what, system health, and what syncs did. Without a subcommand: the list."""
    if ctx.invoked_subcommand is None:
        _list(**options)


@command.command("list")
@_filters
def list_(**options: Any) -> None:
    """List the audit, newest first."""
    _list(**options)


@command.command()
@JSON
def health(as_json: bool) -> None:
    """Show system health. Exit code 1 if something is red."""
    from agnes_cli.server import connect

    with connect() as server:
        found = server.get(f"{ACTIVITY}/health")
    if as_json:
        shown.as_json(found)
    else:
        click.echo(shown.plain(found["sentence"]))
        click.echo()
        shown.table(FIELD_COLUMNS, found["fields"], none="The server told no fields.")
    if found["status"] == "red":
        sys.exit(1)


@command.command()
@click.option("--limit", type=click.IntRange(1, 200), default=50, show_default=True)
@JSON
def sync(limit: int, as_json: bool) -> None:
    """List the syncs of all marketplaces, newest first."""
    from agnes_cli.server import connect

    with connect() as server:
        found = server.get(f"{ACTIVITY}/sync", limit=limit)
    if as_json:
        shown.as_json(found)
    else:
        rows = [each | {"commit": (each["commit_sha"] or "")[:10]} for each in found]
        shown.table(SYNC_COLUMNS, rows, none="No marketplace was synced yet.")


def _list(
    *,
    since: int,
    user: str | None,
    action: str | None,
    resource: str | None,
    result: str | None,
    text: str | None,
    limit: int,
    as_json: bool,
) -> None:
    from agnes_cli.server import connect

    if since > 43200:
        raise BadInput("--since reaches back 30 days at most", hint="Older lines are parquet files: docs/operators.md.")
    asked = {
        "since_minutes": since,
        "user_id": user,
        "action_prefix": action,
        "resource": resource,
        "result_pattern": result,
        "q": text,
    }
    rows: list[dict[str, Any]] = []
    cursor: dict[str, Any] = {}
    with connect() as server:
        while True:
            page = server.get(ACTIVITY, **asked, limit=min(200, limit - len(rows)), **cursor)
            rows += page["rows"]
            following = page["next_cursor"]
            if following is None or len(rows) >= limit:
                break
            cursor = {"cursor_ts": following["ts"], "cursor_id": following["id"]}
    if as_json:
        shown.as_json({**page, "rows": rows})
    else:
        shown.table(
            COLUMNS, [row | {"who": row["user_email"] or row["client_kind"]} for row in rows], none="Nothing fits."
        )
        if following is not None:
            more = (
                f"--limit {min(limit * 2, MOST)}" if limit < MOST else "ask for less with --since, --user or --action"
            )
            click.echo(f"There is more: {more}.", err=True)
