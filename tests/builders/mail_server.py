"""A real SMTP server on loopback, which keeps what it is sent."""

from __future__ import annotations

import re
import socket
from collections.abc import Collection
from email import message_from_bytes, policy
from email.message import EmailMessage
from typing import Any, Self

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult, LoginPassword

from tests.builders.patience import PATIENCE_SECONDS


class _AnyPort(Controller):
    """Listens on a port that the system chooses."""

    def _trigger_server(self) -> None:
        """The base class calls itself under the port that it was given, which is 0 here."""
        with socket.create_connection(self.server.sockets[0].getsockname()[:2], timeout=PATIENCE_SECONDS) as caller:
            caller.recv(1)


class MailServer:
    """`with MailServer() as server:` listens on `server.port`. With `password`, who sends must sign in as `agnes`; what is for an
    address of `no_mailbox` is refused."""

    def __init__(self, *, password: str = "", refuses: bool = False, no_mailbox: Collection[str] = ()) -> None:
        self.messages: list[EmailMessage] = []
        self.no_mailbox = set(no_mailbox)
        self._password = password
        self._refuses = refuses
        more = (
            {"authenticator": self._authenticate, "auth_required": True, "auth_require_tls": False} if password else {}
        )
        self._controller = _AnyPort(self, hostname="127.0.0.1", port=0, **more)

    def __enter__(self) -> Self:
        self._controller.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._controller.stop()

    @property
    def port(self) -> int:
        return self._controller.server.sockets[0].getsockname()[1]

    def environ(self, **more: str) -> dict[str, str]:
        return {
            "SMTP_HOST": "127.0.0.1",
            "SMTP_PORT": str(self.port),
            "SMTP_FROM": "Agnes <agnes@example.com>",
            "SMTP_USE_TLS": "none",
            **more,
        }

    async def handle_RCPT(self, _server: Any, _session: Any, envelope: Any, address: str, _options: Any) -> str:
        if address in self.no_mailbox:
            return "550 there is no such mailbox"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, _server: Any, _session: Any, envelope: Any) -> str:
        if self._refuses:
            return "554 no mail is taken here"
        self.messages.append(message_from_bytes(envelope.content, policy=policy.default))
        return "250 OK"

    def _authenticate(self, _server: Any, _session: Any, _envelope: Any, _mechanism: str, given: Any) -> AuthResult:
        is_right = isinstance(given, LoginPassword) and given.password == self._password.encode()
        return AuthResult(success=is_right and given.login == b"agnes")


def text_of(message: EmailMessage) -> str:
    return message.get_body(("plain",)).get_content()


def link_in(message: EmailMessage) -> str:
    """The path of the link, which both forms of the message have."""
    [link] = re.findall(r"https?://\S+token=\S+", text_of(message))
    assert link in message.get_body(("html",)).get_content()
    return re.sub(r"^https?://[^/]+", "", link)
