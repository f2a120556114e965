"""`agnes admin …`: one module a noun, with its verbs."""

import click

from agnes_cli.main import Commands


@click.group(cls=Commands, package="agnes_cli.commands.admin")
def command() -> None:
    """What members of Admin may do."""
