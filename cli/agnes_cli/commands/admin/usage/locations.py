from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click

from agnes_cli import secret_input, shown
from agnes_cli.failures import BadInput
from agnes_cli.options import JSON

LOCATIONS = "/api/admin/usage/locations"
COLUMNS = {
    "ID": "id",
    "KIND": "kind",
    "ADDRESS": "address",
    "PATTERN": "pattern",
    "PERSON": "matching",
    "ON": "enabled",
    "CREDENTIAL": "has_credential",
    "HOST KEY": "fingerprint",
}
SAMPLE_COLUMNS = {
    "PATH": "path",
    "PERSON": "email",
    "SESSION": "session_id",
    "BYTES": "size_bytes",
    "PROBLEM": "problem",
}


@click.group()
def command() -> None:
    """Where transcripts are collected from: folders, SFTP servers, S3 buckets."""


def _about(function: Any) -> Any:
    for option in reversed(
        (
            click.option("--host", help="Of an SFTP server."),
            click.option("--port", type=click.IntRange(1, 65535)),
            click.option("--username", help="To sign in to an SFTP server as."),
            click.option("--host-key", help="Of an SFTP server: its public key, or its line of known_hosts."),
            click.option("--bucket"),
            click.option("--region"),
            click.option("--endpoint", help="URL of an S3-compatible store; AWS if not given."),
            click.option("--map", "people", multiple=True, metavar="WORD=PERSON", help="Repeat it; with --person map."),
            click.option("--private-key", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="A file."),
            click.option(
                "--password-stdin",
                is_flag=True,
                help="Take the password, or the passphrase of --private-key, from standard input.",
            ),
            click.option("--access-key-id", help="Of an S3 user; the secret key comes from standard input."),
        )
    ):
        function = option(function)
    return function


@command.command("list")
@JSON
def list_(as_json: bool) -> None:
    """List the locations."""
    from agnes_cli.server import connect

    with connect() as server:
        found = server.get(LOCATIONS)
    if as_json:
        shown.as_json(found)
    else:
        shown.table(COLUMNS, [each | {"address": _address(each)} for each in found], none="There is no location yet.")


@command.command()
@click.argument("id")
@click.argument("kind", type=click.Choice(["folder", "sftp", "s3"]))
@click.argument("pattern")
@click.option(
    "--person",
    "matching",
    type=click.Choice(["email", "local_part", "id", "map"]),
    required=True,
    help="What {user} in the pattern is.",
)
@_about
@click.option("--yes", is_flag=True, help="Trust the host key that the server shows now, without being asked.")
@JSON
def add(id: str, yes: bool, as_json: bool, **about: Any) -> None:
    """Collect from a location ID of this KIND, where PATTERN holds {user}: /home/{user}/.claude/projects/**/*.jsonl"""
    from agnes_cli.server import connect

    wish = {"id": id, **_wish(about)}
    with connect() as server:
        looked = server.post(f"{LOCATIONS}/test", wish)
        if wish["kind"] == "sftp" and "host_key" not in wish and looked["host_key"]:
            click.echo(f"{wish.get('host')} shows the host key {looked['fingerprint']}", err=True)
            if not yes:
                click.confirm("Is this what its administrator says?", abort=True, err=True)
            wish["host_key"] = looked["host_key"]
            looked = server.post(f"{LOCATIONS}/test", wish)
        if not looked["ok"]:
            _show_looked(looked)
            raise BadInput("nothing was saved", hint="Fix what is reported above, then add the location again.")
        made = server.post(LOCATIONS, wish)
    if as_json:
        shown.as_json(made)
    else:
        click.echo(f"{made['id']} is added: {_count(looked)} now. `agnes admin run telemetry.collect` fetches them.")
        _show_refused(looked)


@command.command()
@click.argument("id")
@click.option("--pattern")
@click.option("--person", "matching", type=click.Choice(["email", "local_part", "id", "map"]))
@_about
@click.option("--clear-credential", is_flag=True)
@click.option("--on/--off", "enabled", default=None, help="Whether it is collected from.")
@JSON
def update(id: str, clear_credential: bool, as_json: bool, **about: Any) -> None:
    """Change what is given."""
    from agnes_cli.server import connect, route

    wish = _wish(about)
    if clear_credential:
        if "credential" in wish:
            raise BadInput("--clear-credential and a new credential exclude each other")
        wish["credential"] = {}
    if not wish:
        raise BadInput("nothing was given to change", hint="See `agnes admin usage locations update --help`.")
    with connect() as server:
        changed = server.change(route("api", "admin", "usage", "locations", id), wish)
    shown.as_json(changed) if as_json else click.echo(f"{changed['id']} is changed.")


@command.command()
@click.argument("id")
@click.option("--yes", is_flag=True, help="Do not ask.")
def delete(id: str, yes: bool) -> None:
    """Forget a location and its credential; what was collected stays."""
    from agnes_cli.server import connect, route

    if not yes:
        click.confirm(f"Forget the location {id} and its credential?", abort=True, err=True)
    with connect() as server:
        server.delete(route("api", "admin", "usage", "locations", id))
    click.echo(f"{id} is forgotten.")


@command.command("test")
@click.argument("id")
@JSON
def look(id: str, as_json: bool) -> None:
    """Show what lies at a location and whose it is; nothing is fetched."""
    from agnes_cli.server import connect, route

    with connect() as server:
        looked = server.post(route("api", "admin", "usage", "locations", id, "test"))
    shown.as_json(looked) if as_json else _show_looked(looked)
    if not looked["ok"]:
        sys.exit(1)


def _wish(about: dict[str, Any]) -> dict[str, Any]:
    """The body, without what was not given."""
    people = dict(word.partition("=")[::2] for word in about.pop("people"))
    key, password_stdin, access_key = (about.pop(name) for name in ("private_key", "password_stdin", "access_key_id"))
    credential: dict[str, str] = {}
    if key is not None:
        credential["private_key"] = key.read_text()
    if password_stdin:
        credential["passphrase" if key is not None else "password"] = secret_input.from_stdin("password")
    if access_key:
        credential |= {"access_key_id": access_key, "secret_access_key": secret_input.from_stdin("secret key")}
    return (
        {name: value for name, value in about.items() if value is not None}
        | ({"people": people} if people else {})
        | ({"credential": credential} if credential else {})
    )


def _address(location: dict[str, Any]) -> str:
    if location["kind"] == "sftp":
        return f"{location['username']}@{location['host']}:{location['port']}"
    return f"{location['bucket']} {location['endpoint']}".strip()


def _count(looked: dict[str, Any]) -> str:
    return f"{looked['files_seen']} file{'' if looked['files_seen'] == 1 else 's'}"


def _show_looked(looked: dict[str, Any]) -> None:
    if looked["error"]:
        click.echo(shown.plain(looked["error"]), err=True)
    if looked["fingerprint"]:
        click.echo(f"Host key {looked['fingerprint']}{'' if looked['confirmed'] else ', not confirmed'}")
    shown.table(SAMPLE_COLUMNS, looked["samples"], none="No file matches.")
    _show_refused(looked)


def _show_refused(looked: dict[str, Any]) -> None:
    for reason, count in sorted(looked["refused"].items()):
        click.echo(f"{count} of {_count(looked)} will not be fetched: {reason}", err=True)
