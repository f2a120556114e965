"""What signing in and setting up are asked with, as JSON or as a form."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, SecretStr

from agnes.kernel.ports import Secret


class Login(BaseModel):
    model_config = ConfigDict(extra="forbid")

    email: str
    password: SecretStr
    code: str = ""
    """Of the authenticator app, or a recovery code, where the account asks for one."""

    @property
    def given_password(self) -> Secret:
        return Secret(self.password.get_secret_value())


class LoginForm(Login):
    """Of either step: address and password, or the code alone."""

    email: str = ""
    password: SecretStr = SecretStr("")
    next: str = ""
    """Where to go on to; used only if it is a path of this site."""


class Setup(Login):
    secret: SecretStr
    name: str = ""
    """The address's local part if blank."""

    @property
    def given_secret(self) -> Secret:
        return Secret(self.secret.get_secret_value())
