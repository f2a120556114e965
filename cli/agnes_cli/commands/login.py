from __future__ import annotations

import sys

import click

from agnes_cli import config, signing_in
from agnes_cli.failures import BadInput


@click.command()
@click.option("--server", metavar="URL", help="The server; AGNES_SERVER or the last one if not given.")
@click.option("--email", metavar="EMAIL", help="Asked for if not given.")
@click.option("--token-stdin", is_flag=True, help="Take a personal access token from standard input instead.")
def command(server: str | None, email: str | None, token_stdin: bool) -> None:
    """Sign in on this computer.

    Asks for your password, makes a personal access token with it and keeps only that.
    """
    from agnes_cli.server import Server

    url = config.get_server(server)
    if token_stdin:
        token = sys.stdin.readline().strip()
        if not token:
            raise BadInput("there is no token on standard input")
        signing_in.with_token(url, token)
        return
    email = email or click.prompt("E-mail", err=True)
    password = click.prompt("Password", hide_input=True, err=True)
    with Server(url, signing_in.bearer_of(url, email, password)) as known:
        made = known.post("/auth/tokens", {"name": f"agnes on {_computer()}"})
    config.remember(url, config.Credential(made["token"], email, made["id"]))
    click.echo(f"Signed in to {url} as {email}.", err=True)


def _computer() -> str:
    import socket

    return socket.gethostname().partition(".")[0][:60] or "a computer"
