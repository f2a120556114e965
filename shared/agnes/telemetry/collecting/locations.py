"""Drop locations: where transcripts are collected from. Admins manage them; credentials live with the secrets only."""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import re
import struct
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from typing import Any, Literal
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field

from agnes.kernel.drops import DropPattern, Drops, Kind, Place
from agnes.kernel.errors import BadRequestError, ConflictError, NotFoundError
from agnes.kernel.ids import new_ulid
from agnes.kernel.ports import Clock, Secret, Secrets
from agnes.kernel.principal import Principal
from agnes.kernel.state import Change, Db, State, Tx

FILE = "collector"
RESERVED_IDS = frozenset({"test"})
MAX_LOCATIONS = 50

_ID = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")
_HOST = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9.-]{0,252}[A-Za-z0-9])?|[0-9A-Fa-f:.]{2,45}")
_BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
_REGION = re.compile(r"[a-z0-9-]{0,40}")
_KEY_TYPE = re.compile(r"(?:ssh-(?:ed25519|rsa)|ecdsa-sha2-nistp\d{3}|sk-[a-z0-9@.-]+)")

Matching = Literal["email", "local_part", "id", "map"]
"""What stands for `{user}`: a whole e-mail address, the part before its @, an account's id, or a word that `people` explains."""


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


_COLUMNS = (
    "id", "kind", "host", "port", "username", "host_key", "bucket", "region", "endpoint", "pattern", "matching", "people",
    "enabled", "credential_name", "created_by", "created_at", "updated_at",
)  # fmt: skip
_GIVEN = (
    "host",
    "port",
    "username",
    "host_key",
    "bucket",
    "region",
    "endpoint",
    "pattern",
    "matching",
    "people",
    "enabled",
)
_BLANK: dict[str, Any] = {"host": "", "port": 22, "username": "", "host_key": "", "bucket": "", "region": "", "endpoint": "", "people": {}, "enabled": True}  # fmt: skip


def locations(db: Db) -> list[Location]:
    """By id; `db` has `collector`."""
    return [kept.location for kept in kept_locations(db)]


def kept_locations(db: Db) -> list[Kept]:
    rows = db.execute(f"SELECT {', '.join(_COLUMNS)} FROM collector.locations ORDER BY id").fetchall()  # noqa: S608 (fixed)
    return [_kept(dict(zip(_COLUMNS, row, strict=True))) for row in rows]


def get_kept(db: Db, id: str) -> Kept:
    """Raises LocationNotFound."""
    found = next((kept for kept in kept_locations(db) if kept.location.id == id), None)
    if found is None:
        raise LocationNotFound(id)
    return found


def add(state: State, who: Principal, given: NewLocation, *, secrets: Secrets, clock: Clock) -> Location:
    """Raises BadRequestError, DropRefused, ConflictError `location_exists`."""
    who.require_admin()
    values = checked(given)
    if values["kind"] == "sftp" and not values["host_key"]:
        raise BadRequestError(
            "an SFTP server's host key must be confirmed before it is trusted",
            code="host_key_unconfirmed",
            hint="POST …/locations/test shows its fingerprint; send the `host_key` that you compared.",
        )
    now = clock.now()

    def insert(tx: Tx, credential_name: str | None) -> Location:
        held = kept_locations(tx.db)
        if any(kept.location.id == given.id for kept in held):
            raise ConflictError(f"there is a location {given.id}", code="location_exists", hint="PATCH it.")
        if len(held) >= MAX_LOCATIONS:
            raise ConflictError(f"there are {MAX_LOCATIONS} locations, which is the limit", code="too_many_locations")
        row = values | {
            "credential_name": credential_name,
            "created_by": who.email,
            "created_at": now,
            "updated_at": now,
        }
        _write(tx, row)
        tx.record(
            Change(
                "usage.location.create",
                f"location:{given.id}",
                _said(values) | {"has_credential": bool(credential_name)},
            )
        )
        return get_kept(tx.db, given.id).location

    return _with_credential(state, given, secrets, clock, insert)


def change(state: State, who: Principal, id: str, given: LocationChange, *, secrets: Secrets, clock: Clock) -> Location:
    """Change what is given. A credential never goes along to another server.

    Raises LocationNotFound, BadRequestError, DropRefused.
    """
    who.require_admin()
    with state.read(FILE) as db:
        old = get_kept(db, id)
    before = {name: getattr(old.location, name) for name in ("id", "kind", *_GIVEN)}
    wanted = before | {name: getattr(given, name) for name in _GIVEN if getattr(given, name) is not None}
    values = checked(NewLocation.model_validate(wanted))
    moved = any(values[name] != before[name] for name in ("host", "port", "bucket", "endpoint"))
    if moved and old.credential_name and given.credential is None:
        raise BadRequestError(
            "the location leads to another place, which must not get the credential of the old one",
            code="credential_required",
            hint="Send the new credential, or an empty one.",
        )
    if moved and values["kind"] == "sftp" and given.host_key is None:
        raise BadRequestError(
            "another server has another host key",
            code="host_key_unconfirmed",
            hint="Send the `host_key` that you compared.",
        )

    def update(tx: Tx, credential_name: str | None) -> Location:
        held = get_kept(tx.db, id)
        keeps = held.credential_name if given.credential is None else credential_name
        created = {"created_by": held.location.created_by, "created_at": held.location.created_at}
        _write(tx, values | created | {"credential_name": keeps, "updated_at": clock.now()})
        if any(
            values[name] != before[name] for name in ("pattern", "matching", "people", "host", "bucket", "endpoint")
        ):
            # What was fetched may be somebody else's now: everything is looked at again.
            tx.db.execute("DELETE FROM collector.files WHERE location_id = ?", [id])
        shown = {name: value for name, value in _said(values).items() if value != _said(before).get(name)}
        if given.credential is not None:
            shown["credential"] = "replaced" if credential_name else "removed"
        was = {name: value for name, value in _said(before).items() if name in shown}
        tx.record(Change("usage.location.update", f"location:{id}", shown, was))
        return get_kept(tx.db, id).location

    after = _with_credential(state, given, secrets, clock, update, id=id)
    if given.credential is not None and old.credential_name:
        secrets.remove(old.credential_name)
    return after


def remove(state: State, who: Principal, id: str, *, secrets: Secrets) -> None:
    """Forget a location, its credential and what was fetched there; transcripts stay. Raises LocationNotFound."""
    who.require_admin()

    def delete(tx: Tx) -> str | None:
        kept = get_kept(tx.db, id)
        tx.db.execute("DELETE FROM collector.files WHERE location_id = ?", [id])
        tx.db.execute("DELETE FROM collector.locations WHERE id = ?", [id])
        tx.record(
            Change(
                "usage.location.delete",
                f"location:{id}",
                {},
                {"kind": kept.location.kind, "pattern": kept.location.pattern},
            )
        )
        return kept.credential_name

    name = state.commit(FILE, delete)
    if name:
        secrets.remove(name)


def checked(given: NewLocation) -> dict[str, Any]:
    """Every column that the admin decides, judged as a whole. Raises BadRequestError, DropRefused."""
    values = {"id": given.id, "kind": given.kind} | {
        name: _BLANK[name] if getattr(given, name) is None else getattr(given, name)
        for name in _GIVEN
        if name in _BLANK
    }
    values |= {"pattern": given.pattern, "matching": given.matching}
    if not _ID.fullmatch(given.id) or given.id in RESERVED_IDS:
        raise BadRequestError(
            f"{given.id[:80]!r} is no location's id", code="invalid_location_id", hint="Small letters, digits and `-`."
        )
    pattern = DropPattern.parse(given.pattern)
    if given.kind == "folder" and not pattern.is_absolute:
        _refuse("pattern", "a folder's pattern begins with /")
    if given.kind == "folder" and not pattern.fixed:
        _refuse("pattern", "name the folder in which the people's folders are")
    if given.kind == "s3" and pattern.is_absolute:
        _refuse("pattern", "a bucket's pattern does not begin with /")
    _check_address(given.kind, values)
    if bool(values["people"]) != (given.matching == "map"):
        _refuse("people", "it goes with `matching: map`, and only with it")
    if any(not word or not person or len(word) > 255 or len(person) > 254 for word, person in values["people"].items()):
        _refuse("people", "each word stands for an e-mail address or an account's id")
    return values


def _check_address(kind: Kind, values: dict[str, Any]) -> None:
    allowed = {"folder": (), "sftp": ("host", "username", "host_key"), "s3": ("bucket", "region", "endpoint")}[kind]
    for name in ("host", "username", "host_key", "bucket", "region", "endpoint"):
        if values[name] and name not in allowed:
            _refuse(name, f"a {kind} has none")
    if kind == "sftp":
        if not _HOST.fullmatch(values["host"]):
            _refuse("host", "it is no host's name or address")
        if not values["username"] or not values["username"].isprintable():
            _refuse("username", "say as whom to sign in")
        values["host_key"] = host_key_of(values["host_key"]) if values["host_key"] else ""
    if kind == "s3":
        if not _BUCKET.fullmatch(values["bucket"]):
            _refuse("bucket", "it is no bucket's name")
        if not _REGION.fullmatch(values["region"]):
            _refuse("region", "it is no region's name")
        try:
            parts = urlsplit(values["endpoint"])
            sound = not values["endpoint"] or (
                parts.scheme in ("http", "https") and parts.hostname and parts.path in ("", "/")
                and not parts.query and not parts.username and (parts.port or 1) > 0
            )  # fmt: skip
        except ValueError:
            sound = False
        if not sound:
            _refuse("endpoint", "it is a URL such as https://store.example.com, without path and credentials")
        values["endpoint"] = values["endpoint"].rstrip("/")


def _refuse(field: str, reason: str) -> None:
    raise BadRequestError(f"{field}: {reason}", code=f"invalid_{field}")


def host_key_of(text: str) -> str:
    """`<type> <base64>` of a public key or of a line of known_hosts. Raises BadRequestError."""
    words = text.split()
    for kind, blob in pairwise(words):
        if _KEY_TYPE.fullmatch(kind):
            try:
                raw = base64.b64decode(blob, validate=True)
                (length,) = struct.unpack(">I", raw[:4])
            except (binascii.Error, struct.error, ValueError):
                break
            if raw[4 : 4 + length] == kind.encode():
                return f"{kind} {blob}"
            break
    raise BadRequestError(
        "host_key: it is neither a public key nor a line of known_hosts",
        code="invalid_host_key",
        hint="Such as `ssh-ed25519 AAAA…`; `ssh-keyscan HOST` prints it.",
    )


def fingerprint(host_key: str) -> str:
    """As `ssh-keygen -l` prints it."""
    blob = base64.b64decode(host_key.split()[1])
    return "SHA256:" + base64.b64encode(hashlib.sha256(blob).digest()).decode().rstrip("=")


def credential_of(kind: Kind, given: Credential | None) -> Secret | None:
    """None for an empty one. Raises BadRequestError for one that the kind cannot use."""
    held = {name: value for name, value in (given.model_dump() if given else {}).items() if value}
    if not held:
        return None
    sound = {
        "folder": (),
        "sftp": ({"password"}, {"private_key"}, {"private_key", "passphrase"}),
        "s3": ({"access_key_id", "secret_access_key"},),
    }[kind]
    if set(held) not in sound:
        wanted = {"folder": "none", "sftp": "a password or a private_key", "s3": "access_key_id and secret_access_key"}
        _refuse("credential", f"of a {kind}: {wanted[kind]}")
    return Secret(json.dumps(held))


def proposed(who: Principal, given: NewLocation, *, clock: Clock) -> tuple[Location, Secret | None]:
    """A location that is not saved, to be looked at. Raises BadRequestError, DropRefused."""
    who.require_admin()
    values = checked(given)
    secret = credential_of(given.kind, given.credential)
    shown = fingerprint(values["host_key"]) if values["host_key"] else ""
    now = clock.now()
    made = {"has_credential": secret is not None, "created_by": who.email, "created_at": now, "updated_at": now}
    return Location(**values, **made, fingerprint=shown), secret


def with_shown_key(drops: Drops, place: Place) -> str:
    """The host key that a server shows, `<type> <base64>`; empty for what is no server. Raises DropUnreachable, DropRefused."""
    return host_key_of(drops.host_key(place)) if place.kind == "sftp" else ""


def _with_credential(
    state: State,
    given: LocationChange,
    secrets: Secrets,
    clock: Clock,
    change: Callable[[Tx, str | None], Location],
    *,
    id: str = "",
) -> Location:
    """Commit with the credential under a name of its own, gone again if the commit fails."""
    kind = given.kind if isinstance(given, NewLocation) else None
    if kind is None:
        with state.read(FILE) as db:
            kind = get_kept(db, id).location.kind
    secret = credential_of(kind, given.credential)
    if secret is None:
        return state.commit(FILE, lambda tx: change(tx, None))
    name = f"collector/{given.id if isinstance(given, NewLocation) else id}/{new_ulid(clock.now())}"
    secrets.put(name, secret)
    try:
        return state.commit(FILE, lambda tx: change(tx, name))
    except BaseException:
        secrets.remove(name)
        raise


def _write(tx: Tx, row: dict[str, Any]) -> None:
    marks = ", ".join("?" for _ in _COLUMNS)
    values = [json.dumps(row[name]) if name == "people" else row[name] for name in _COLUMNS]
    tx.db.execute(f"INSERT OR REPLACE INTO collector.locations ({', '.join(_COLUMNS)}) VALUES ({marks})", values)  # noqa: S608


def _said(values: dict[str, Any]) -> dict[str, Any]:
    """For the audit: whom `people` names is counted, not told."""
    return {name: value for name, value in values.items() if name not in ("people", "id")} | {
        "people": len(values["people"])
    }


def _kept(row: dict[str, Any]) -> Kept:
    name = row.pop("credential_name")
    row["people"] = json.loads(row["people"])
    shown = fingerprint(row["host_key"]) if row["host_key"] else ""
    return Kept(Location(**row, fingerprint=shown, has_credential=name is not None), name)
