"""`agnes store …`: what one shares in the Flea market."""

import click

from agnes_cli.main import Commands


@click.group(cls=Commands, package="agnes_cli.commands.store")
def command() -> None:
    """Share skills, agents and plugins with your colleagues in the Flea market."""
