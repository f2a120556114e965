"""`agnes auth token …`"""

import click

from agnes_cli.main import Commands


@click.group(cls=Commands, package="agnes_cli.commands.auth.token")
def command() -> None:
    """Your access tokens."""
