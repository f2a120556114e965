"""Transcripts that were put into another store, as by a restore: the same bytes under the same keys.

The ledger knows the version in which a transcript was read, and a store calls each copy by a version of its own. Without this
every transcript would be taken for a changed one and read again, and none would be pruned before.
"""

from __future__ import annotations

from collections.abc import Iterable

from agnes.kernel.state import State, Tx
from agnes.telemetry import keys
from agnes.telemetry.lake import ledger
from agnes.telemetry.model import FILE


def take_versions(state: State, moved: Iterable[tuple[str, str, str]]) -> None:
    """(key, version before, version now) of transcripts; what the ledger has read in another version is read again."""
    rows = [
        (which, before, now)
        for key, before, now in moved
        if before != now and (which := keys.transcript_of(key)) is not None
    ]

    def change(tx: Tx) -> None:
        ledger.set_versions(tx.db, rows)

    if rows:
        state.commit(FILE, change)
