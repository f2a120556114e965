"""Mail by SMTP and by Amazon SES."""

from __future__ import annotations

import smtplib
import ssl
from email.message import EmailMessage
from email.utils import formatdate, make_msgid
from typing import Any, Literal

from agnes.kernel.errors import UnavailableError
from agnes.kernel.mail import Mail
from agnes.kernel.ports import Secret

SECONDS = 15
"""For each step of a conversation with the server."""


class MailUnavailable(UnavailableError):
    code = "mail_unavailable"


class SmtpMail:
    """A mail server. `security` is `starttls`, `tls` from the first byte on, or `none`."""

    is_on = True

    def __init__(
        self,
        host: str,
        port: int,
        *,
        sender: str,
        user: str = "",
        password: Secret | None = None,
        security: Literal["starttls", "tls", "none"] = "starttls",
        context: ssl.SSLContext | None = None,
    ) -> None:
        self._host, self._port, self._sender = host, port, sender
        self._user, self._password, self._security = user, password, security
        self._context = context

    def send(self, mail: Mail) -> None:
        message = message_of(mail, sender=self._sender)
        try:
            with self._connect() as server:
                if self._security == "starttls":
                    server.starttls(context=self._tls())
                if self._user:
                    server.login(self._user, self._password.value if self._password else "")
                server.send_message(message)
        except (OSError, smtplib.SMTPException) as exc:
            raise MailUnavailable(
                f"the mail server {self._host}:{self._port} did not take a message: {_reason(exc)}",
                hint="Check the SMTP_ settings.",
            ) from exc

    def _connect(self) -> smtplib.SMTP:
        if self._security == "tls":
            return smtplib.SMTP_SSL(self._host, self._port, timeout=SECONDS, context=self._tls())
        return smtplib.SMTP(self._host, self._port, timeout=SECONDS)

    def _tls(self) -> ssl.SSLContext:
        return self._context or ssl.create_default_context()


class SesMail:
    """Amazon SES, with the permissions of the function that sends."""

    is_on = True

    def __init__(self, *, sender: str, client: Any = None) -> None:
        self._sender = sender
        self._client = client

    def send(self, mail: Mail) -> None:
        import boto3
        from botocore.exceptions import BotoCoreError, ClientError

        if self._client is None:
            self._client = boto3.client("ses")
        raw = message_of(mail, sender=self._sender).as_bytes()
        try:
            self._client.send_raw_email(Source=self._sender, Destinations=[mail.to], RawMessage={"Data": raw})
        except (BotoCoreError, ClientError) as exc:
            raise MailUnavailable(
                f"SES did not take a message: {_reason(exc)}", hint="Is the sender's address verified in SES?"
            ) from exc


def message_of(mail: Mail, *, sender: str) -> EmailMessage:
    """The message with its text and its HTML. Raises ValueError for a line break in a header."""
    message = EmailMessage()
    message["From"], message["To"], message["Subject"] = sender, mail.to, mail.subject
    message["Date"], message["Message-ID"] = formatdate(), make_msgid(domain=sender.rpartition("@")[2].rstrip(">"))
    message["Auto-Submitted"] = "auto-generated"
    message.set_content(mail.text)
    message.add_alternative(mail.html, subtype="html")
    return message


def _reason(exc: Exception) -> str:
    """In short, without what was sent: an SMTP error may repeat a line."""
    if isinstance(exc, smtplib.SMTPResponseException):
        return f"it answered {exc.smtp_code}"
    return type(exc).__name__ if isinstance(exc, smtplib.SMTPException) else str(exc)[:200]
