"""A conditional write whose outcome is always known in the end, or said to be unknown.

Of the four outcomes of a write (`agnes.kernel.ports`), *unknown* is the dangerous one: the
bytes may be stored, may never be, or may still be under way. Reading alone settles nothing,
since the first request may land after the read. Sending the identical conditional write again
does: either it commits, and then the first can no longer land, or it conflicts, and then the
nonce tells whose bytes won.
"""

from __future__ import annotations

import random
from collections.abc import Callable

from agnes.kernel.errors import UnavailableError
from agnes.kernel.ports import (
    Clock,
    Expect,
    ObjectStore,
    OutcomeUnknown,
    PreconditionFailed,
    TryAgain,
    Version,
)

ATTEMPTS = 8
_jitter = random.SystemRandom().random
FIRST_PAUSE_SECONDS = 0.02
LONGEST_PAUSE_SECONDS = 0.4


def write_settled(
    store: ObjectStore,
    key: str,
    body: bytes,
    *,
    expect: Expect,
    has_nonce: Callable[[bytes], bool],
    clock: Clock,
    content_type: str = "application/octet-stream",
    attempts: int = ATTEMPTS,
    within_seconds: float = 20.0,
    jitter: Callable[[], float] = _jitter,
) -> Version:
    """Write, and settle what stays unknown. Returns the version under the key, as far as we know it.

    `body` must carry a nonce used for this write only. `has_nonce(other)` tells whether `other`,
    the bytes found under the key after a conflict, were written by this call or *descend* from it:
    a writer that came after us may have replaced our bytes, so an object that is swapped (`head.json`)
    must carry the nonces of its recent history. When it is a descendant, its version is returned.

    Raises PreconditionFailed (it did not happen and will not), TryAgain (it did not happen; the
    store was busy to the end), or OutcomeUnknown after `attempts` or `within_seconds`: then nothing
    that the write refers to may be deleted. A key whose object was removed in between cannot be
    settled either, so nothing guarded is ever removed. Nor can an unconditional write, which may land
    late over newer bytes: use ANYTHING only where every writer of the key writes the same bytes.
    """
    started = clock.monotonic()
    doubtful = False  # an earlier attempt may have committed
    failure: UnavailableError = TryAgain(key, "no attempt was made")
    for attempt in range(attempts):
        if attempt:
            pause = min(LONGEST_PAUSE_SECONDS, FIRST_PAUSE_SECONDS * 2 ** (attempt - 1))
            clock.sleep(pause * (0.5 + jitter() / 2))
            if clock.monotonic() - started > within_seconds:
                break
        try:
            return store.write(key, body, expect=expect, content_type=content_type)
        except TryAgain as busy:
            failure = busy
        except OutcomeUnknown as unknown:
            doubtful, failure = True, unknown
        except UnavailableError as refused:  # certain, for this attempt only
            if not doubtful:
                raise
            failure = refused
        except PreconditionFailed:
            if not doubtful:
                raise
            try:
                found = store.read(key)
            except UnavailableError as unread:
                failure = unread
                continue
            if found is None:
                raise OutcomeUnknown(key, "removed before its outcome was known") from None
            if has_nonce(found.body):
                return found.version
            raise
    if doubtful:
        raise OutcomeUnknown(key, f"unsettled after {attempts} attempts") from failure
    raise failure
