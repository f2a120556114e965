"""Sign in on this computer: with a token, or with a password that makes one."""

from __future__ import annotations

import click

from agnes_cli import config
from agnes_cli.failures import NotSignedIn, Refused


def with_token(url: str, token: str) -> None:
    """Keep a token that the server knows. A token of a narrow scope may not ask whose it is; it is kept all the same."""
    from agnes_cli.server import Server

    with Server(url, token) as server:
        try:
            who = str(server.get("/api/me")["email"])
        except Refused as refused:
            if refused.code != "token_scope":
                raise
            config.remember(url, config.Credential(token))
            click.echo(f"Signed in to {url} with a token of the scope {refused.facts.get('scope')}.", err=True)
            return
    config.remember(url, config.Credential(token, who))
    click.echo(f"Signed in to {url} as {who}.", err=True)


def bearer_of(url: str, email: str, password: str) -> str:
    """A sign-in of a person, for what no access token may do; asks for a code where the account has a second factor.

    Raises NotSignedIn, Refused.
    """
    from agnes_cli.server import Server

    asked = {"email": email, "password": password}
    with Server(url) as stranger:
        try:
            return str(stranger.post("/auth/token", asked)["access_token"])
        except NotSignedIn as refused:
            if refused.code != "second_factor_required":
                raise
        code = click.prompt("Code of your authenticator app", err=True)
        return str(stranger.post("/auth/token", {**asked, "code": code})["access_token"])
