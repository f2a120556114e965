"""The lease of a marketplace while it is synced, so that two workers do not fetch the same (`agnes.kernel.leases`)."""

from __future__ import annotations

from contextlib import AbstractContextManager
from datetime import timedelta

from agnes.kernel import leases
from agnes.kernel.errors import ConflictError
from agnes.kernel.leases import HeldBy, Lease
from agnes.kernel.ports import Clock, ObjectStore
from agnes.marketplace.limits import CLAIM_MARGIN_SECONDS, SYNC_SECONDS


class SyncRunning(ConflictError):
    code = "sync_running"

    def __init__(self, marketplace_id: str, held: HeldBy) -> None:
        super().__init__(
            f"a sync of {marketplace_id} is running ({held.text})",
            hint=f"Wait for it; if its worker died, try again after {held.expires:%H:%M} UTC.",
        )


LONGEST = timedelta(seconds=max(SYNC_SECONDS, 600.0) + CLAIM_MARGIN_SECONDS + 60)
"""Of a sync or of the sweep."""


def key(marketplace_id: str) -> str:
    return f"leases/marketplace-sync-{marketplace_id}.json"


def claimed(store: ObjectStore, marketplace_id: str, *, clock: Clock, seconds: float) -> AbstractContextManager[Lease]:
    """Hold the lease inside, for work of `seconds` at most. Raises SyncRunning.

    Where the store does not say whether the lease was written the work goes on: the commit's own comparison decides.
    """
    return leases.held(
        store,
        key(marketplace_id),
        clock,
        seconds=seconds + CLAIM_MARGIN_SECONDS,
        longest=LONGEST,
        busy=lambda held: SyncRunning(marketplace_id, held),
        goes_on_unknown=True,
    )
