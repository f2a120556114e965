"""Small JSON objects with a digest of their own, so that one changed bit, or another object's bytes, is noticed.

    {..., "sha256": "<of the key, a line break, and the object without this field>"}

An object of an earlier release has none, and is taken as it is. The bytes of a damaged object are kept for 30 days below
`damaged/`, for who wants to know what happened to it.
"""

from __future__ import annotations

import logging
import re
from contextlib import suppress
from hashlib import sha256

from agnes.kernel.errors import AgnesError
from agnes.kernel.ports import ANYTHING, ObjectStore

log = logging.getLogger("agnes.kernel")

QUARANTINE = "damaged/"
MAX_DEPTH = 100
"""Of an object without a digest: no object that Agnes writes nests ten deep, and a parser of JSON gives up at a thousand, with a RecursionError."""
_SEAL = re.compile(rb',"sha256":"([0-9a-f]{64})"\}\Z')


class Unsealed(ValueError):
    """The object is not what was written under its key."""


def seal(key: str, body: bytes) -> bytes:
    """`body`, a JSON object with a field or more, for `key`."""
    return b'%s,"sha256":"%s"}' % (body.rstrip()[:-1], _digest(key, body.rstrip()).encode())


def is_sealed(body: bytes) -> bool:
    return _SEAL.search(body) is not None


def opened(key: str, body: bytes) -> bytes:
    """The object as it was given to `seal`. Raises Unsealed, also for what is no JSON object."""
    found = _SEAL.search(body)
    if found is None:
        if not body.startswith(b"{") or b'"sha256":' in body[-90:] or _depth(body) > MAX_DEPTH:
            raise Unsealed(key)
        return body
    plain = body[: found.start()] + b"}"
    if _digest(key, plain) != found[1].decode():
        raise Unsealed(key)
    return plain


def quarantined(key: str) -> str:
    """Where the bytes of a damaged object are moved."""
    return f"{QUARANTINE}{key}"


def put_away(store: ObjectStore, key: str, body: bytes, *, remove: bool = True) -> None:
    """Move a damaged object to damaged/<key>, or copy it there. Never raises: what stays is met again."""
    log.error("%s is damaged; its bytes are kept as %s", key, quarantined(key), extra={"key": key})
    with suppress(AgnesError):
        store.write(quarantined(key), body, expect=ANYTHING)
        if remove:
            store.remove([key])


def _depth(body: bytes) -> int:
    """How deep brackets nest, those in texts counted too."""
    if body.count(b"[") + body.count(b"{") <= MAX_DEPTH:
        return 0
    deepest = depth = 0
    for byte in body:
        if byte in b"[{":
            depth += 1
            deepest = max(deepest, depth)
        elif byte in b"]}":
            depth -= 1
    return deepest


def _digest(key: str, plain: bytes) -> str:
    return sha256(key.encode() + b"\n" + plain).hexdigest()
