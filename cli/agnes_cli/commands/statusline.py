from __future__ import annotations

import click

from agnes_cli.status import show


@click.command()
def command() -> None:
    """Print a lock if the session is private: Claude Code's `statusLine`, its JSON on standard input."""
    show()
