from __future__ import annotations

import click

from agnes_cli import elsewhere
from agnes_cli.commands.status import command as status


@click.group()
def command() -> None:
    """Whether this workspace is set up. That is a fact, so there is nothing to switch on or off."""


command.add_command(status, "status")
elsewhere.add(
    command,
    {
        "on": "Nothing is to be switched on: `agnes onboard` sets up the workspace, and `agnes onboarded status` shows what it has.",
        "off": "Nothing is to be switched off: `agnes init --undo` takes out what `agnes onboard` put in.",
    },
)
