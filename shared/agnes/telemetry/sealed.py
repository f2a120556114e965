"""Small JSON objects with a digest of their own, so that one changed bit, or another object's bytes, is noticed.

    {..., "sha256": "<of the key, a line break, and the object without this field>"}

An object of an earlier release has none, and is taken as it is.
"""

from __future__ import annotations

import json
import logging
import re
from contextlib import suppress
from hashlib import sha256

from agnes.kernel.errors import AgnesError
from agnes.kernel.ports import ANYTHING, ObjectStore
from agnes.telemetry import keys
from agnes.telemetry.keys import TranscriptId

log = logging.getLogger("agnes.telemetry")

_SEAL = re.compile(rb',"sha256":"([0-9a-f]{64})"\}\Z')


class Unsealed(ValueError):
    """The object is not what was written under its key."""


def seal(key: str, body: bytes) -> bytes:
    """`body`, a JSON object with a field or more, for `key`."""
    return b'%s,"sha256":"%s"}' % (body.rstrip()[:-1], _digest(key, body.rstrip()).encode())


def opened(key: str, body: bytes) -> bytes:
    """The object as it was given to `seal`. Raises Unsealed, also for what is no JSON object."""
    found = _SEAL.search(body)
    if found is None:
        if not body.startswith(b"{") or b'"sha256":' in body[-90:]:
            raise Unsealed(key)
        return body
    plain = body[: found.start()] + b"}"
    if _digest(key, plain) != found[1].decode():
        raise Unsealed(key)
    return plain


def note(key: str, which: TranscriptId) -> bytes:
    """A note of the inbox: this transcript is new or has changed, or its session was redacted."""
    said = {"user_id": which.user_id, "session_id": which.session_id, "file": which.file}
    return seal(key, json.dumps(said).encode())


def put_away(store: ObjectStore, key: str, body: bytes) -> None:
    """Move a damaged object to damaged/<key>. Never raises: what stays is met again."""
    log.error("%s is damaged; its bytes are kept as %s", key, keys.damaged(key), extra={"key": key})
    with suppress(AgnesError):
        store.write(keys.damaged(key), body, expect=ANYTHING)
        store.remove([key])


def _digest(key: str, plain: bytes) -> str:
    return sha256(key.encode() + b"\n" + plain).hexdigest()
