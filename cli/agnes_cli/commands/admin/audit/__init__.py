"""`agnes admin audit …`: whether the audit is what was written."""

import click

from agnes_cli.main import Commands


@click.group(cls=Commands, package="agnes_cli.commands.admin.audit")
def command() -> None:
    """Check the audit."""
