"""What can go wrong, as a message, a hint and an exit code. Neither ever holds a token or a password."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import click


class Failure(Exception):
    """Shown as `Error: message` and `Hint: …` on standard error."""

    exit_code = 1
    code = "failed"
    """A word for programs; of a refusal it is the server's."""

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def show(self, *, as_json: bool = False) -> None:
        """On standard error; as JSON on one line, where the command's answer would have been JSON."""
        if as_json:
            said = {"code": self.code, "message": self.message, "hint": self.hint, "exit_code": self.exit_code}
            click.echo(json.dumps({"error": said}), err=True)
            return
        from agnes_cli import colour

        click.echo(f"{colour.paint('Error:', colour.RED, err=True)} {self.message}", err=True, color=True)
        if self.hint:
            click.echo(f"{colour.paint('Hint:', colour.CYAN, err=True)} {self.hint}", err=True, color=True)


class BadInput(Failure):
    exit_code = 2
    code = "bad_input"


class NotSignedIn(Failure):
    exit_code = 3
    code = "not_signed_in"
    """The server's word for the reason, if it is the server's."""


class ServerUnreachable(Failure):
    exit_code = 4
    code = "server_unreachable"


class Refused(Failure):
    """The server answered with an error of its one shape."""

    def __init__(
        self, status: int, code: str, message: str, hint: str | None, facts: Mapping[str, Any] | None = None
    ) -> None:
        super().__init__(f"{message} (HTTP {status}, {code})", hint=hint)
        self.status = status
        self.code = code
        self.facts = facts or {}
        """Everything of the answer, what its error adds included."""
