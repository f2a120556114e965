"""Secrets come from a prompt or from standard input, never from an argument: arguments are for all to see."""

from __future__ import annotations

import sys

import click

from agnes_cli.failures import BadInput


def from_stdin(what: str) -> str:
    """One line of standard input. Raises BadInput if there is none."""
    line = sys.stdin.readline().rstrip("\r\n")
    if not line:
        raise BadInput(f"there is no {what} on standard input")
    return line


def asked(what: str) -> str:
    """Typed twice on a terminal, without an echo."""
    return click.prompt(what, hide_input=True, confirmation_prompt=True, err=True)
