"""What can go wrong, as a message, a hint and an exit code. Neither ever holds a token or a password."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import click


class Failure(Exception):
    """Shown as `Error: message` and `Hint: …` on standard error."""

    exit_code = 1

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def show(self) -> None:
        click.echo(f"Error: {self.message}", err=True)
        if self.hint:
            click.echo(f"Hint: {self.hint}", err=True)


class BadInput(Failure):
    exit_code = 2


class NotSignedIn(Failure):
    exit_code = 3
    code = ""
    """The server's word for the reason, if it is the server's."""


class ServerUnreachable(Failure):
    exit_code = 4


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
