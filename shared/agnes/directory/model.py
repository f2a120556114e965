"""Identity providers as the settings describe them, and what they say of a person."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from agnes.kernel.errors import AgnesError, DeniedError, NotFoundError
from agnes.kernel.ports import Secret

GOOGLE_ISSUER = "https://accounts.google.com"
ProviderKey = Literal["google", "oidc"]


@dataclass(frozen=True, slots=True)
class Provider:
    key: ProviderKey
    issuer: str
    client_id: str
    client_secret: Secret | None = field(repr=False)
    """None: a public client; PKCE is used in either case."""
    label: str
    """As the sign-in page's button names it."""
    scopes: str = "openid email profile"
    allowed_domains: frozenset[str] = frozenset()
    """Domains that a verified address must be of; empty: any that the provider vouches for."""
    groups_claim: str = "groups"
    trust_addresses: bool = False
    """Whether an address counts without `email_verified`: for providers that assign addresses and never send the claim."""
    groups: GroupRules | None = None
    """None: the provider says nothing of groups."""


@dataclass(frozen=True, slots=True)
class GroupRules:
    """Which of a directory's groups count here, and as what."""

    prefix: str = ""
    """Only groups that begin with it count; whoever is in none of them may not sign in. Empty: all, and no gate."""
    admin: str = ""
    """The directory's group whose members are in Admin."""
    everyone: str = ""
    """The directory's group that stands for Everyone: no group is made of it."""


@dataclass(frozen=True, slots=True)
class Claims:
    """What a provider has proved of a person. `groups` is None where it said nothing, or could not be asked."""

    issuer: str
    subject: str
    email: str
    name: str
    groups: tuple[str, ...] | None = None
    groups_failed: bool = False
    """Whether groups were asked for and could not be had: what is known of them stays as it is."""


class SignOnRefused(DeniedError):
    """The codes are those that the sign-in page explains."""

    def __init__(self, code: str, message: str, hint: str = "Try again, or ask an admin.") -> None:
        super().__init__(message, code=code, hint=hint)


class ScimError(AgnesError):
    """A refusal in SCIM's words (RFC 7644, 3.12)."""

    def __init__(self, status: int, scim_type: str, detail: str) -> None:
        super().__init__(detail, code=f"scim_{scim_type}" if scim_type else "scim", scim_type=scim_type)
        self.status = status


def provider_key(text: str) -> ProviderKey:
    """Of a path's part. Raises NotFoundError."""
    if text == "google":
        return "google"
    if text == "oidc":
        return "oidc"
    raise NotFoundError("there is no such way to sign in", code="provider_not_found", hint="Open the sign-in page.")
