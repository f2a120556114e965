"""`agnes auth logout` is `agnes logout`."""

from agnes_cli.commands.logout import command

__all__ = ["command"]
