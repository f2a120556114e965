from __future__ import annotations

import click

from agnes_cli import config
from agnes_cli.failures import Failure


@click.command()
def command() -> None:
    """Forget the token on this computer, and revoke it at the server."""
    credential = config.find_credential()
    if credential is not None and credential.token_id:
        from agnes_cli.server import Server

        try:
            with Server(config.get_server(), credential.token) as server:
                server.delete(f"/auth/tokens/{credential.token_id}")
        except Failure as failure:
            click.echo(f"The token could not be revoked: {failure.message}", err=True)
    config.forget_credential()
    click.echo("Signed out.", err=True)
