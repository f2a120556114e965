"""`agnes auth login` is `agnes login`."""

from agnes_cli.commands.login import command

__all__ = ["command"]
