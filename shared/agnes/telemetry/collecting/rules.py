"""Whether a location is sound: its id, its address, its pattern, its host key, its credential. Pure."""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import re
import struct
from itertools import pairwise
from typing import Any
from urllib.parse import urlsplit

from agnes.kernel.drops import DropPattern, Kind
from agnes.kernel.errors import BadRequestError
from agnes.kernel.ports import Secret
from agnes.telemetry.collecting.model import Credential, NewLocation

RESERVED_IDS = frozenset({"test"})
GIVEN = (
    *("host", "port", "username", "host_key", "bucket", "region", "endpoint"),
    *("pattern", "matching", "people", "enabled"),
)
"""What an admin decides, beside `id` and `kind`."""
_BLANK: dict[str, Any] = {"host": "", "port": 22, "username": "", "host_key": "", "bucket": "", "region": "", "endpoint": "", "people": {}, "enabled": True}  # fmt: skip

_ID = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")
_HOST = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9.-]{0,252}[A-Za-z0-9])?|[0-9A-Fa-f:.]{2,45}")
_BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
_REGION = re.compile(r"[a-z0-9-]{0,40}")
_KEY_TYPE = re.compile(r"(?:ssh-(?:ed25519|rsa)|ecdsa-sha2-nistp\d{3}|sk-[a-z0-9@.-]+)")


def checked(given: NewLocation) -> dict[str, Any]:
    """Every column that the admin decides, judged as a whole. Raises BadRequestError, DropRefused."""
    values = {"id": given.id, "kind": given.kind} | {
        name: _BLANK[name] if getattr(given, name) is None else getattr(given, name) for name in GIVEN if name in _BLANK
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
