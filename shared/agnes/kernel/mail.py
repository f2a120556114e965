"""Mail, as domains and the edge see it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Mail:
    """One message to one person."""

    to: str
    subject: str
    """One line."""
    text: str
    html: str


class Mailer(Protocol):
    @property
    def is_on(self) -> bool:
        """Whether this installation sends mail; if not, links are shown to admins to hand over."""
        ...

    def send(self, mail: Mail) -> None:
        """Hand a message to the mail server. Raises UnavailableError; the message may be sent twice after one."""
        ...


class NoMail:
    """An installation without mail."""

    is_on = False

    def send(self, mail: Mail) -> None:
        raise NotImplementedError(f"no mail is configured, and {mail.subject!r} cannot be sent")
