"""Pages of links: asking for one, setting a password with it, signing in with it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field, SecretStr

from agnes.accounts.rules import MAX_PASSWORD, MIN_PASSWORD
from agnes.kernel.ports import Message, Queue

QUEUE = "accounts-mail"
ASKS_A_MINUTE = 5
"""From one address."""
SENT = "If there is an account with this address, a mail with a link is on its way. Look into your spam folder, too."


class TokenQuery(BaseModel):
    model_config = ConfigDict(extra="ignore")

    token: str = Field("", max_length=200)


class ForgotForm(BaseModel):
    model_config = ConfigDict(extra="forbid")

    action: Literal["reset", "sign_in"]
    email: str = Field(min_length=3, max_length=254)


class SetPasswordForm(BaseModel):
    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    token: SecretStr
    password: SecretStr


class EmailLinkForm(BaseModel):
    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    token: SecretStr


@dataclass(frozen=True)
class ForgotPage:
    template: ClassVar[str] = "accounts/forgot.html"
    title: ClassVar[str] = "Get a link to sign in"

    sends_mail: bool


@dataclass(frozen=True)
class SetPasswordPage:
    template: ClassVar[str] = "accounts/set_password.html"
    title: ClassVar[str] = "Choose a password"
    min_password: ClassVar[int] = MIN_PASSWORD
    max_password: ClassVar[int] = MAX_PASSWORD

    token: str = field(repr=False)
    email: str
    name: str
    is_invitation: bool


@dataclass(frozen=True)
class EmailLinkPage:
    template: ClassVar[str] = "accounts/email_link.html"
    title: ClassVar[str] = "Sign in"

    token: str = field(repr=False)
    email: str


def ask(queue: Queue, form: ForgotForm) -> None:
    """Queue the mail. Whether there is such an account is looked up by the queue's consumer, so that neither the answer
    nor its time tells."""
    queue.send([Message(QUEUE, {"purpose": form.action, "email": form.email.strip().lower()})])
