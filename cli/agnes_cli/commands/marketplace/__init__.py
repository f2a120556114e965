"""`agnes marketplace …`: what an analyst may have."""

import click

from agnes_cli.main import Commands


@click.group(cls=Commands, package="agnes_cli.commands.marketplace")
def command() -> None:
    """Find plugins, and put them into your stack."""
