"""`agnes knowledge …`: facts that colleagues verified."""

import click

from agnes_cli.main import Commands


@click.group(cls=Commands, package="agnes_cli.commands.knowledge")
def command() -> None:
    """Find, propose and load facts that your colleagues verified."""
