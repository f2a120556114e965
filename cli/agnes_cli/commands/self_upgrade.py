from __future__ import annotations

import sys

import click

from agnes_cli import VERSION, config
from agnes_cli.failures import Failure, ServerUnreachable


@click.command(
    epilog="""\b
Examples:
  agnes self-upgrade                what the server serves, if that is newer
  agnes self-upgrade --check-only   exit code 1 if there is a newer one
"""
)
@click.option("--quiet", is_flag=True, help="Say nothing where there is nothing newer.")
@click.option("--check-only", is_flag=True, help="Only look: exit code 1 if this command is older than the server's.")
@click.option("--force", is_flag=True, help="Install the server's, also if it is the same or older.")
def command(*, quiet: bool, check_only: bool, force: bool) -> None:
    """Bring this command to the version that your server serves.

    What comes is checked against the SHA-256 that the server names. If the new command does not start, the former one is
    installed again. Nobody needs to be signed in.
    """
    from agnes_cli import upgrading
    from agnes_cli.server import Server

    with Server(config.get_server()) as server:
        try:
            found = upgrading.latest(server)
        except ServerUnreachable:
            if force or not quiet:
                raise
            return  # a hook's quiet look; the next one finds out
        except Failure:
            if force or not quiet:
                raise
            return
        if not (found.is_newer or (force and not check_only)):
            if not quiet:
                click.echo(f"agnes {VERSION} is up to date.")
            return
        if check_only:
            click.echo(f"agnes {found.version} is there; this is {VERSION}.")
            sys.exit(1)
        upgrading.upgrade(server, found)
    click.echo(f"agnes {found.version} is installed; it was {VERSION}.")
