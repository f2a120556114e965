"""`agnes auth …`: signing in, and access tokens."""

import click

from agnes_cli.main import Commands


@click.group(cls=Commands, package="agnes_cli.commands.auth")
def command() -> None:
    """Sign in and out, and manage your access tokens."""
