from __future__ import annotations

import click

from agnes_cli import config, signing_in
from agnes_cli.secret_input import from_stdin


@click.command()
@click.option("--server", metavar="URL", help="The server; AGNES_SERVER or the last one if not given.")
def command(server: str | None) -> None:
    """Sign in on this computer with an access token, read from standard input."""
    signing_in.with_token(config.get_server(server), from_stdin("token").strip())
