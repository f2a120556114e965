"""Commands of earlier installations that mean nothing here: each says what to use instead, and fails, so that no script goes on."""

from __future__ import annotations

from collections.abc import Mapping

import click

from agnes_cli.failures import BadInput


class NotHere(BadInput):
    code = "not_here"


def add(group: click.Group, instead: Mapping[str, str]) -> None:
    """Add a command a name; its value is what to do."""
    for name, what in instead.items():
        group.add_command(_command(name, what))


def _command(name: str, what: str) -> click.Command:
    @click.command(name, help=f"Not here. {what}", context_settings={"ignore_unknown_options": True})
    @click.argument("words", nargs=-1, type=click.UNPROCESSED)
    def refused(words: tuple[str, ...]) -> None:
        del words
        raise NotHere(f"Agnes has no `{name}` by this command", hint=what)

    return refused
