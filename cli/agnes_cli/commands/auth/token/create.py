from __future__ import annotations

import click

from agnes_cli import config, shown, signing_in
from agnes_cli.options import JSON
from agnes_cli.secret_input import from_stdin

SCOPES = ("full", "read", "feed", "push", "bootstrap-analyst", "scim")


@click.command()
@click.argument("name")
@click.option(
    "--scope",
    type=click.Choice(SCOPES),
    default="full",
    show_default=True,
    help="read: everything that you can read. feed: the marketplace. push: send sessions. "
    "bootstrap-analyst: set up a computer, for an hour. scim: provision accounts (admins).",
)
@click.option("--days", type=click.IntRange(min=1), help="Days that it works for; 90 if neither this nor --no-end.")
@click.option("--no-end", is_flag=True, help="It works until it is revoked.")
@click.option("--email", metavar="EMAIL", help="Your address; the one that you are signed in with if not given.")
@click.option("--password-stdin", is_flag=True, help="Take your password from standard input instead of asking for it.")
@JSON
def command(
    *, name: str, scope: str, days: int | None, no_end: bool, email: str | None, password_stdin: bool, as_json: bool
) -> None:
    """Make an access token named NAME, and print it once.

    Asks for your password: a token makes no token. If you sign in without a password, make tokens on your profile's page.
    """
    from agnes_cli.failures import BadInput
    from agnes_cli.server import Server

    if days and no_end:
        raise BadInput("--days and --no-end exclude each other")
    url = config.get_server()
    known = config.find_credential()
    email = email or (known.email if known else "") or click.prompt("E-mail", err=True)
    password = from_stdin("password") if password_stdin else click.prompt("Password", hide_input=True, err=True)
    asked = {"name": name, "scope": scope, "expires_in_days": None if no_end else days or 90}
    with Server(url, signing_in.bearer_of(url, email, password)) as server:
        made = server.post("/auth/tokens", asked)
        server.post("/auth/logout")
    if as_json:
        shown.as_json(made)
        return
    ends = f"until {made['expires_at'][:10]}" if made["expires_at"] else "until it is revoked"
    click.echo(f"{made['name']} ({scope}) works {ends}. This is the only time that the token is shown.", err=True)
    click.echo(made["token"])
