"""A claim on a marketplace while it is synced: courtesy, so that two workers do not fetch the same.

Kept as an object that is swapped, never deleted: stores do not delete conditionally (spec/11 A.5).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import datetime, timedelta

import msgspec

from agnes.kernel.errors import ConflictError, UnavailableError
from agnes.kernel.ids import new_nonce
from agnes.kernel.ports import ABSENT, Blob, Clock, ObjectStore, PreconditionFailed, Unchanged
from agnes.marketplace.limits import CLAIM_MARGIN_SECONDS, SYNC_SECONDS


class SyncRunning(ConflictError):
    """`until` is when the claim ends by itself."""

    code = "sync_running"

    def __init__(self, marketplace_id: str, until: datetime) -> None:
        super().__init__(
            f"a sync of {marketplace_id} is running",
            hint=f"Wait for it; if its worker died, try again after {until:%H:%M} UTC.",
        )
        self.until = until


class _Claim(msgspec.Struct, frozen=True):
    owner: str
    expires: datetime


LONGEST = timedelta(seconds=max(SYNC_SECONDS, 600.0) + CLAIM_MARGIN_SECONDS + 60)
"""Of a sync or of the sweep. What ends later was written by a clock that was wrong, or is damaged."""


def key(marketplace_id: str) -> str:
    return f"leases/marketplace-sync-{marketplace_id}.json"


@contextmanager
def claimed(store: ObjectStore, marketplace_id: str, *, clock: Clock, seconds: float) -> Iterator[None]:
    """Hold the claim inside, for work of `seconds` at most. Raises SyncRunning."""
    name, owner = key(marketplace_id), new_nonce()
    found = store.read(name)
    held = _decoded(found.body) if isinstance(found, Blob) else None
    if held is not None and clock.now() < held.expires <= clock.now() + LONGEST:
        raise SyncRunning(marketplace_id, held.expires)
    expires = clock.now() + timedelta(seconds=seconds + CLAIM_MARGIN_SECONDS)
    mine = msgspec.json.encode(_Claim(owner, expires))
    version = None
    try:
        expect = Unchanged(found.version) if isinstance(found, Blob) else ABSENT
        version = store.write(name, mine, expect=expect, content_type="application/json")
    except PreconditionFailed as exc:
        raise SyncRunning(marketplace_id, expires) from exc
    except UnavailableError:
        # Whether it was written is not known: go on, the commit's own comparison decides.
        pass
    try:
        yield
    finally:
        if version is not None:
            over = msgspec.json.encode(_Claim("", clock.now()))
            with suppress(PreconditionFailed, UnavailableError):
                store.write(name, over, expect=Unchanged(version), content_type="application/json")


def _decoded(body: bytes) -> _Claim | None:
    """None for a damaged claim: nobody holds it."""
    try:
        found = msgspec.json.decode(body, type=_Claim)
        return found if found.expires.tzinfo is not None else None
    except msgspec.DecodeError:
        return None
