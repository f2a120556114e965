"""`agnes auth whoami` is `agnes whoami`."""

from agnes_cli.commands.whoami import command

__all__ = ["command"]
