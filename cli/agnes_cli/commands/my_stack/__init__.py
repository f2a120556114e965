"""`agnes my-stack …`"""

import click

from agnes_cli.main import Commands


@click.group(cls=Commands, package="agnes_cli.commands.my_stack")
def command() -> None:
    """What you have, and what you may have."""
