"""`agnes admin usage …`: what was used, and where transcripts come from."""

import click

from agnes_cli.main import Commands


@click.group(cls=Commands, package="agnes_cli.commands.admin.usage")
def command() -> None:
    """Usage, and where its transcripts come from."""
