"""Whether this command is as new as the server: it says in each answer below /api/ which is the newest, and the oldest that it serves."""

from __future__ import annotations

import re

import click

from agnes_cli import VERSION
from agnes_cli.failures import Failure

HINT = "Install it again as the page *Connect Claude Code* of your server says."
_VERSION = re.compile(r"(\d{1,6})\.(\d{1,6})\.(\d{1,6})")
_told = False


class CommandTooOld(Failure):
    """The server serves newer commands alone."""


def compare(latest: str | None, least: str | None, *, own: str = VERSION) -> None:
    """Tell once on standard error that there is a newer one. What is no version is passed over. Raises CommandTooOld."""
    global _told  # noqa: PLW0603 (a command is a process)
    mine = _parsed(own)
    if (needed := _parsed(least)) and mine and mine < needed:
        raise CommandTooOld(f"this is agnes {own}, and the server serves {least} and newer", hint=HINT)
    if not _told and (newest := _parsed(latest)) and mine and mine < newest:
        _told = True
        click.echo(f"Note: this is agnes {own}; {latest} is there. {HINT}", err=True)


def _parsed(version: str | None) -> tuple[int, int, int] | None:
    found = _VERSION.fullmatch(version or "")
    return (int(found[1]), int(found[2]), int(found[3])) if found else None
