"""One run of a job at a time, of the extraction or of the collector: the lease of it (`agnes.kernel.leases`). The ledger's
revision is what keeps it correct."""

from __future__ import annotations

from contextlib import AbstractContextManager
from datetime import timedelta

from agnes.kernel import leases
from agnes.kernel.errors import ConflictError
from agnes.kernel.leases import Busy, HeldBy, Lease
from agnes.kernel.ports import Clock, ObjectStore

SECONDS = 20
"""How long a lease holds; each round of a run renews it. A run that dies blocks the next one no longer."""
LONGEST = timedelta(seconds=120)


class ExtractionBusy(ConflictError):
    code = "extraction_busy"

    def __init__(self, held: HeldBy) -> None:
        super().__init__(f"another run has the inbox ({held.text})", hint="Wait for it; it does the same work.")


def claimed(
    store: ObjectStore, key: str, clock: Clock, *, busy: Busy = ExtractionBusy
) -> AbstractContextManager[Lease]:
    """Hold the lease inside; long work calls `keep`. Raises what `busy` makes, UnavailableError."""
    return leases.held(store, key, clock, seconds=SECONDS, longest=LONGEST, busy=busy)
