from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from agnes_cli import shown
from agnes_cli.failures import BadInput
from agnes_cli.options import JSON

REGISTRY = ("api", "admin", "tables", "registry")
COLUMNS = {
    "ID": "id", "FOLDER": "folder", "SOURCE": "source", "MODE": "query_mode", "STRATEGY": "sync_strategy", "SCHEDULE": "sync_schedule",
    "ROWS": "rows", "STATE": "state", "NEXT RUN": "next_run_at",
}  # fmt: skip
RUN_COLUMNS = {"STARTED": "started_at", "STATUS": "status", "REASON": "reason", "ROWS": "rows", "ERROR": "error"}

FIELDS: tuple[tuple[str, Any, str], ...] = (
    ("description", str, "What it holds, for people and agents."),
    ("folder", str, "Where the catalog lists it."),
    ("bucket", str, "The schema or bucket in the source."),
    ("source-table", str, "The table in the source, or the path of a file."),
    (
        "query-mode",
        click.Choice(["local", "materialized", "remote"]),
        "local copies a table, materialized stores a query.",
    ),
    ("sync-strategy", click.Choice(["full_refresh", "incremental", "partitioned"]), "What a run asks for."),
    ("sync-schedule", str, "`every 2h`, or `daily 05:00,17:30` in UTC."),
    ("incremental-column", str, "By which newer rows are known."),
    ("incremental-window-days", int, "How far back each run asks again."),
    ("max-history-days", int, "How far back the first load goes."),
    ("partition-by", str, "A date column."),
    ("partition-granularity", click.Choice(["day", "month", "year"]), "How much a partition is."),
    ("initial-load-chunk-days", int, "Days that one step of the first load asks for."),
)


def _fields(function: Callable[..., Any]) -> Callable[..., Any]:
    """Options for what a table has, the same for registering and changing."""
    for name, kind, text in reversed(FIELDS):
        function = click.option(f"--{name}", type=kind, help=text)(function)
    function = click.option("--primary-key", metavar="COLUMNS", help="Columns, with commas.")(function)
    function = click.option("--query", metavar="SQL", help="Of a materialized table; @FILE reads it from a file.")(
        function
    )
    return click.option(
        "--where-filters-json", metavar="JSON", help="[{column, operator, values}]; @FILE reads a file."
    )(function)


@click.group(
    epilog="""\b
Examples:
  agnes admin table register Orders --source warehouse --bucket public --source-table orders --sync-schedule "daily 05:00"
  agnes admin grant create Sales orders --type table
  agnes admin table collect orders
"""
)
def command() -> None:
    """Data tables: register, collect, describe and remove them."""


@command.command("list")
@JSON
def list_(as_json: bool) -> None:
    """List the registered tables with their last and next runs."""
    from agnes_cli.server import connect, route

    with connect() as server:
        found = server.get(route(*REGISTRY))
    if as_json:
        shown.as_json(found)
        return
    shown.table(
        COLUMNS, [_row(one) for one in found], none="No table is registered. `agnes admin table register` does it."
    )


@command.command()
@click.argument("table")
@JSON
def show(table: str, as_json: bool) -> None:
    """Describe TABLE with its last run."""
    from agnes_cli.server import connect, route

    with connect() as server:
        found = server.get(route(*REGISTRY, table))
    shown.as_json(found) if as_json else shown.facts(found)


@command.command()
@click.argument("name")
@click.option("--id", "id_", help="Made of the name if not given.")
@click.option("--source", help="Which source; may be left out where there is one.")
@click.option("--dry-run", is_flag=True, help="Only say whether it could be registered.")
@_fields
@JSON
def register(name: str, *, id_: str | None, source: str | None, dry_run: bool, as_json: bool, **given: Any) -> None:
    """Register the table NAME. Nobody is granted it by that; the next run collects it."""
    from agnes_cli.server import connect, route

    body = {"name": name, "id": id_, "source": source} | _body(given)
    with connect() as server:
        path = route(*REGISTRY, "precheck") if dry_run else route(*REGISTRY)
        found = server.post(path, {key: value for key, value in body.items() if value is not None})
    if as_json or dry_run:
        shown.as_json(found) if as_json else shown.facts(found)
        return
    click.echo(f"{found['id']} is registered.")
    click.echo(
        f"Next: agnes admin grant create GROUP {found['id']} --type table; agnes admin table collect {found['id']}",
        err=True,
    )


@command.command()
@click.argument("table")
@click.option("--name")
@click.option("--clear", multiple=True, metavar="FIELD", help="Set a field to its default. May be repeated.")
@_fields
@JSON
def update(table: str, *, name: str | None, clear: tuple[str, ...], as_json: bool, **given: Any) -> None:
    """Change TABLE: what is not given stays."""
    from agnes_cli.server import connect, route

    body = {key: value for key, value in ({"name": name} | _body(given)).items() if value is not None}
    body |= dict.fromkeys((field.replace("-", "_") for field in clear), None)
    if not body:
        raise BadInput("nothing is to be changed", hint="`agnes admin table update --help` shows what may be.")
    with connect() as server:
        found = server.put(route(*REGISTRY, table), body)
    shown.as_json(found) if as_json else click.echo(f"{found['id']} is changed.")


@command.command()
@click.argument("table")
@click.option("--yes", "-y", is_flag=True, help="Do not ask.")
def unregister(table: str, yes: bool) -> None:
    """Remove TABLE with its grants; copies on laptops go with their next pull."""
    from agnes_cli.server import connect, route

    with connect() as server:
        if not yes:
            click.confirm(f"Remove {table} with its grants?", abort=True, err=True)
        server.delete(route(*REGISTRY, table))
    click.echo(f"{table} is removed.")


@command.command()
@click.argument("tables", nargs=-1)
@click.option("--all", "everything", is_flag=True, help="Every table.")
@JSON
def collect(tables: tuple[str, ...], everything: bool, as_json: bool) -> None:
    """Collect TABLES now, whatever their schedules."""
    from agnes_cli.server import connect

    if bool(tables) == everything:
        raise BadInput("name tables, or give --all")
    with connect() as server:
        found = server.post("/api/admin/tables/collect", {"tables": None if everything else list(tables)})
    shown.as_json(found) if as_json else click.echo(f"{len(found['tables'])} tables are being collected.")


@command.command()
@click.argument("table")
@JSON
def runs(table: str, as_json: bool) -> None:
    """List the last runs of TABLE."""
    from agnes_cli.server import connect, route

    with connect() as server:
        found = server.get(route(*REGISTRY, table, "runs"))
    shown.as_json(found) if as_json else shown.table(RUN_COLUMNS, found, none="It was not collected yet.")


@command.command()
@click.argument("table")
@click.argument("notes", nargs=-1, metavar="[COLUMN=TEXT]...")
@JSON
def columns(table: str, notes: tuple[str, ...], as_json: bool) -> None:
    """Show what is said of the columns of TABLE; with COLUMN=TEXT, say it. An empty text removes it."""
    from agnes_cli.server import connect, route

    path = route(*REGISTRY, table, "columns")
    with connect() as server:
        found: dict[str, str] = server.get(path)
        if notes:
            for note in notes:
                column, equals, text = note.partition("=")
                if not equals or not column:
                    raise BadInput(f"{note[:80]} is not COLUMN=TEXT")
                found[column] = text
            found = server.put(path, {"columns": {column: text for column, text in found.items() if text}})
    shown.as_json(found) if as_json else shown.facts(found)


@command.command()
@JSON
def sources(as_json: bool) -> None:
    """List the sources that tables come from, without their secrets."""
    from agnes_cli.server import connect

    with connect() as server:
        found = server.get("/api/admin/tables/sources")
    columns_ = {"ID": "id", "TYPE": "type", "OPTIONS": "said", "SECRET": "has_secret"}
    rows = [
        one | {"said": ", ".join(f"{key}={value}" for key, value in (one.get("options") or {}).items())}
        for one in found
    ]
    shown.as_json(found) if as_json else shown.table(
        columns_, rows, none="There are no sources. `add-source` makes one."
    )


@command.command("add-source")
@click.argument("source")
@click.option("--type", "kind", required=True, help="postgresql, sqlite or files; docs/tables.md has their options.")
@click.option("--option", "options", multiple=True, metavar="NAME=VALUE", help="May be repeated.")
@click.option("--secret-stdin", is_flag=True, help="Take its secret, a password, from standard input.")
@JSON
def add_source(source: str, *, kind: str, options: tuple[str, ...], secret_stdin: bool, as_json: bool) -> None:
    """Add SOURCE."""
    from agnes_cli.secret_input import from_stdin
    from agnes_cli.server import connect

    pairs = [each.partition("=") for each in options]
    if any(not equals for _, equals, _ in pairs):
        raise BadInput("an option is NAME=VALUE")
    body: dict[str, Any] = {"id": source, "type": kind, "options": {name: value for name, _, value in pairs}}
    if secret_stdin:
        body["secret"] = from_stdin("secret")
    with connect() as server:
        found = server.post("/api/admin/tables/sources", body)
    shown.as_json(found) if as_json else click.echo(f"{found['id']} is added.")


@command.command("remove-source")
@click.argument("source")
def remove_source(source: str) -> None:
    """Remove SOURCE, from which no table comes any more."""
    from agnes_cli.server import connect, route

    with connect() as server:
        server.delete(route("api", "admin", "tables", "sources", source))
    click.echo(f"{source} is removed.")


def _body(given: dict[str, Any]) -> dict[str, Any]:
    keys, query, filters = given.pop("primary_key"), given.pop("query"), given.pop("where_filters_json")
    body = {key: value for key, value in given.items() if value is not None}
    if keys is not None:
        body["primary_key"] = [key.strip() for key in keys.split(",") if key.strip()]
    if query is not None:
        body["source_query"] = _text(query)
    if filters is not None:
        try:
            body["where_filters"] = json.loads(_text(filters))
        except ValueError as exc:
            raise BadInput(f"--where-filters-json is not JSON: {exc}") from exc
    return body


def _text(given: str) -> str:
    """As given, or of the file behind an `@`; `@-` is standard input."""
    if not given.startswith("@"):
        return given
    return sys.stdin.read() if given == "@-" else Path(given[1:]).read_text(encoding="utf-8")


def _row(one: dict[str, Any]) -> dict[str, Any]:
    run = one.get("collection") or {}
    state = (
        "never collected"
        if not run
        else f"failed {run['failures']} times: {run.get('error')}"
        if run.get("failures")
        else "ok"
    )
    table: dict[str, Any] = one["table"]
    return table | {
        "rows": run.get("rows"),
        "state": state,
        "next_run_at": str(one.get("next_run_at") or "")[:16],
    }
