"""Where transcripts are collected from: the list, and the form that adds a location."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator

from agnes.kernel.drops import Kind
from agnes.kernel.errors import BadRequestError
from agnes.kernel.ports import Clock, Secrets
from agnes.kernel.principal import Principal
from agnes.kernel.state import State
from agnes.telemetry.collecting import locations
from agnes.telemetry.collecting.model import FILE, Credential, Location, LocationChange, Matching, NewLocation

PATH = "/admin/system/locations"
KINDS: dict[Kind, str] = {"sftp": "SFTP server", "s3": "S3 bucket", "folder": "Folder of this machine"}
MATCHINGS: dict[Matching, str] = {
    "email": "An e-mail address",
    "local_part": "The part of an address before the @",
    "id": "An account's id",
}


class LocationForm(BaseModel):
    model_config = ConfigDict(extra="forbid")

    action: Literal["add", "pause", "resume", "remove"]
    id: str = Field(min_length=1, max_length=64)
    kind: Kind = "sftp"
    pattern: str = Field("", max_length=500)
    matching: Matching = "email"
    host: str = Field("", max_length=253)
    port: int | None = Field(None, ge=1, le=65535)
    username: str = Field("", max_length=200)
    host_key: str = Field("", max_length=5000)
    password: SecretStr = SecretStr("")
    private_key: SecretStr = SecretStr("")
    bucket: str = Field("", max_length=100)
    region: str = Field("", max_length=40)
    endpoint: str = Field("", max_length=300)
    access_key_id: str = Field("", max_length=200)
    secret_access_key: SecretStr = SecretStr("")

    @field_validator("port", mode="before")
    @classmethod
    def _empty_is_none(cls, value: object) -> object:
        return None if isinstance(value, str) and not value.strip() else value


@dataclass(frozen=True)
class LocationsPage:
    template: ClassVar[str] = "admin/locations.html"
    title: ClassVar[str] = "Collect locations"
    kinds: ClassVar[dict[Kind, str]] = KINDS
    matchings: ClassVar[dict[Matching, str]] = MATCHINGS

    locations: list[Location]

    def place(self, location: Location) -> str:
        """Where it is, in a few words."""
        if location.kind == "sftp":
            return f"{location.username}@{location.host}:{location.port}"
        return location.bucket if location.kind == "s3" else "this machine"


def locations_page(state: State) -> LocationsPage:
    with state.read(FILE) as db:
        return LocationsPage(locations.locations(db))


def change(state: State, who: Principal, form: LocationForm, *, secrets: Secrets, clock: Clock) -> str:
    """What the next page says. Raises BadRequestError, ConflictError, LocationNotFound, DropRefused."""
    if form.action == "remove":
        locations.remove(state, who, form.id, secrets=secrets)
        return f"{form.id} is removed. What was collected there stays."
    if form.action in ("pause", "resume"):
        enabled = form.action == "resume"
        locations.change(state, who, form.id, LocationChange(enabled=enabled), secrets=secrets, clock=clock)
        return f"{form.id} is {'collected from again' if enabled else 'paused'}."
    if not form.pattern.strip():
        raise BadRequestError("a pattern is needed", hint="Such as transcripts/{user}/**/*.jsonl.")
    locations.add(state, who, _new(form), secrets=secrets, clock=clock)
    return f"{form.id} is added. The next run of the collector goes there."


def _new(form: LocationForm) -> NewLocation:
    """What belongs to the kind, and nothing else that was typed."""
    if form.kind == "sftp":
        return NewLocation(
            id=form.id,
            kind=form.kind,
            pattern=form.pattern,
            matching=form.matching,
            host=form.host,
            port=form.port,
            username=form.username,
            host_key=form.host_key or None,
            credential=_credential(password=form.password, private_key=form.private_key),
        )
    if form.kind == "s3":
        return NewLocation(
            id=form.id,
            kind=form.kind,
            pattern=form.pattern,
            matching=form.matching,
            bucket=form.bucket,
            region=form.region or None,
            endpoint=form.endpoint or None,
            credential=_credential(access_key_id=form.access_key_id, secret_access_key=form.secret_access_key),
        )
    return NewLocation(id=form.id, kind=form.kind, pattern=form.pattern, matching=form.matching)


def _credential(**given: str | SecretStr) -> Credential | None:
    """None if nothing was entered."""
    values = {
        name: value.get_secret_value() if isinstance(value, SecretStr) else value for name, value in given.items()
    }
    entered = {name: value for name, value in values.items() if value}
    return Credential.model_validate(entered) if entered else None
