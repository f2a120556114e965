from __future__ import annotations

from typing import Any

import click

from agnes_cli import shown
from agnes_cli.options import JSON

PATH = "/api/admin/server-config"
COLUMNS = {"SETTING": "path", "VALUE": "value", "SOURCE": "source", "BY": "updated_by"}
YES = click.option("--yes", is_flag=True, help="Confirm a change of a section that can keep people out.")


@click.group()
def command() -> None:
    """Settings that count without a restart. A setting is named as in instance.yaml: instance.brand."""


@command.command("list")
@JSON
def list_(as_json: bool) -> None:
    """List the settings, their values, and where each value is from."""
    from agnes_cli.server import connect

    with connect() as server:
        found = server.get(PATH)
    if as_json:
        shown.as_json(found)
        return
    rows = [{**field, "value": _short(field["value"])} for field in found["known_fields"]]
    shown.table(COLUMNS, rows, none="There are no settings.")
    for section, reason in found["not_in_force"].items():
        click.echo(f"{section}: not in force, {shown.plain(reason)}", err=True)


@command.command("set")
@click.argument("assignments", nargs=-1, required=True, metavar="SETTING=VALUE...")
@YES
def set_(assignments: tuple[str, ...], yes: bool) -> None:
    """Set one or more settings: all of them or none. For secrets, use `set-secret`."""
    from agnes_cli.failures import BadInput

    values: dict[str, str | None] = {}
    for assignment in assignments:
        path, is_one, value = assignment.partition("=")
        if not is_one:
            raise BadInput(f"{assignment} is not SETTING=VALUE, such as instance.brand=Atlas")
        if path.endswith(("secret", "password", "api_key")):
            raise BadInput(
                f"{path} is a secret: arguments are for all to see. Use: agnes admin config set-secret {path}"
            )
        values[path] = value
    _save(values, yes=yes)


@command.command("set-secret")
@click.argument("setting")
@click.option("--stdin", "from_stdin", is_flag=True, help="Read it from standard input.")
@YES
def set_secret(setting: str, from_stdin: bool, yes: bool) -> None:
    """Store a secret, such as ai.api_key. Nobody can read it again."""
    from agnes_cli import secret_input

    _save({setting: secret_input.from_stdin("secret") if from_stdin else secret_input.asked("Secret")}, yes=yes)


@command.command()
@click.argument("settings", nargs=-1, required=True, metavar="SETTING...")
@YES
def unset(settings: tuple[str, ...], yes: bool) -> None:
    """Take back what admins set: instance.yaml or the default counts again; a secret is removed."""
    _save(dict.fromkeys(settings), yes=yes)


def _save(values: dict[str, str | None], *, yes: bool) -> None:
    from agnes_cli.server import connect

    sections: dict[str, dict[str, Any]] = {}
    for path, value in values.items():
        section, _, rest = path.partition(".")
        sections.setdefault(section, {})[rest] = value
    with connect() as server:
        done = server.post(PATH, {"sections": sections, "confirm_danger": yes})
    count = done["diff_count"]
    click.echo(f"{count} setting{'' if count == 1 else 's'} saved." if count else "Nothing was changed.")


def _short(value: str) -> str:
    return value if len(value) <= shown.WIDEST else f"{value[: shown.WIDEST - 1]}…"
