"""What a drop location is, and what an admin may say of one."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from agnes.kernel.drops import Kind, Place
from agnes.kernel.errors import NotFoundError
from agnes.kernel.ports import Secret, Secrets

FILE = "collector"
"""The state file."""

Matching = Literal["email", "local_part", "id", "map"]
"""What stands for `{user}`: a whole e-mail address, the part before its @, an account's id, or a word that `people`
explains."""


class Credential(BaseModel):
    """A password, or a private key with its passphrase if it has one, or the two keys of an S3 user."""

    model_config = ConfigDict(extra="forbid")

    password: str | None = Field(None, max_length=1000)
    private_key: str | None = Field(None, max_length=20_000)
    passphrase: str | None = Field(None, max_length=1000)
    access_key_id: str | None = Field(None, max_length=200)
    secret_access_key: str | None = Field(None, max_length=1000)


class LocationChange(BaseModel):
    """What is given changes; a `credential` replaces the old one, an empty one removes it."""

    model_config = ConfigDict(extra="forbid")

    host: str | None = None
    port: int | None = Field(None, ge=1, le=65535)
    username: str | None = Field(None, max_length=200)
    host_key: str | None = Field(None, max_length=5000)
    bucket: str | None = None
    region: str | None = None
    endpoint: str | None = Field(None, max_length=300)
    pattern: str | None = None
    matching: Matching | None = None
    people: dict[str, str] | None = Field(None, max_length=5000)
    enabled: bool | None = None
    credential: Credential | None = None


class NewLocation(LocationChange):
    """A location. `host`, `username` and `host_key` are of `sftp`; `bucket`, `region` and `endpoint` of `s3`."""

    id: str
    kind: Kind
    pattern: str
    matching: Matching


@dataclass(frozen=True, slots=True)
class Location:
    """A drop location, without its credential."""

    id: str
    kind: Kind
    host: str
    port: int
    username: str
    host_key: str
    fingerprint: str
    """Of the host key, as OpenSSH shows it."""
    bucket: str
    region: str
    endpoint: str
    pattern: str
    matching: Matching
    people: dict[str, str]
    enabled: bool
    has_credential: bool
    created_by: str
    created_at: datetime
    updated_at: datetime

    @property
    def place(self) -> Place:
        return Place(
            self.kind, self.host, self.port, self.username, self.host_key, self.bucket, self.region, self.endpoint
        )


@dataclass(frozen=True, slots=True)
class Kept:
    """A location with the name of its credential, for those who use it."""

    location: Location
    credential_name: str | None

    def credential(self, secrets: Secrets) -> Secret | None:
        return secrets.get(self.credential_name) if self.credential_name else None


class LocationNotFound(NotFoundError):
    code = "location_not_found"

    def __init__(self, id: str) -> None:
        super().__init__(f"there is no location {id[:80]!r}", hint="GET /api/admin/usage/locations lists them.")
