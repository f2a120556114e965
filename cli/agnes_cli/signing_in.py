"""Sign in on this computer: with a token, or with a password that makes one."""

from __future__ import annotations

import click

from agnes_cli import config
from agnes_cli.failures import Refused


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


def bearer_of(url: str, email: str, password: str, code: str | None = None) -> str:
    """A sign-in of a person, for what no access token may do. Raises NotSignedIn, Refused."""
    from agnes_cli.server import Server

    asked = {"email": email, "password": password} | ({"code": code} if code else {})
    with Server(url) as stranger:
        return str(stranger.post("/auth/token", asked)["access_token"])
