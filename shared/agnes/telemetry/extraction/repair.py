"""Damaged event files and rollups: out of the ledger, their bytes into quarantine, and built again from what they were made of.

    found       by a listing at each scheduled run (absent, or of another size), by the digest when a run reads one, or by a
                note that a reader has left (agnes.telemetry.lake.damage)
    taken out   its bytes to damaged/<key>; one commit removes it from the ledger and notes whose events it held
    rebuilt     event files from transcripts: those sessions are extracted again; rollups from event files
    settled     what was rebuilt, and what could not be, since its transcripts are gone

Only who holds the claim takes out, rebuilds and settles. Each step may be the last before a death: the next run goes on.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

from agnes.kernel.ports import ANYTHING, Blob, Clock, ObjectStore
from agnes.kernel.state import Db, State
from agnes.telemetry import keys
from agnes.telemetry.keys import SessionId
from agnes.telemetry.lake import damage, damages, ledger, objects
from agnes.telemetry.lake.batch import ScratchDatabase, generations_in
from agnes.telemetry.lake.damage import LakeDamaged
from agnes.telemetry.model import FILE, Report

log = logging.getLogger("agnes.telemetry")


@dataclass(slots=True)
class Suspects:
    """Keys that have to be looked at, and the notes that named some of them."""

    keys: set[str] = field(default_factory=set)
    notes: list[str] = field(default_factory=list)
    unrepaired: bool = False
    """An earlier run has taken something out that is not settled."""

    @property
    def is_empty(self) -> bool:
        return not (self.keys or self.notes or self.unrepaired)


def sizes(store: ObjectStore) -> dict[str, int]:
    """Of every object of the lake, in one listing. Raises UnavailableError."""
    return {entry.key: entry.size_bytes for entry in store.list(keys.LAKE)}


def suspects(db: Db, store: ObjectStore, sizes: Mapping[str, int]) -> Suspects:
    """What the ledger has otherwise than a listing that was made before it was read, and what notes name."""
    written = ledger.written(db)
    found = Suspects(unrepaired=damages.has_unrepaired(db))
    found.keys = {key for key, what in written.items() if sizes.get(key) != what.size_bytes}
    found.notes = [key for key in sizes if key.startswith(keys.DAMAGE_NOTES)]
    found.keys |= damage.noted(store, found.notes)
    return found


class Repairs:
    def __init__(self, store: ObjectStore, state: State, *, clock: Clock, report: Report) -> None:
        self._store = store
        self._state = state
        self._clock = clock
        self._report = report

    def take_out(self, suspects: Collection[str], bench: ScratchDatabase) -> int:
        """Those of `suspects` that are named by the ledger and damaged leave it; how many. Raises UnavailableError."""
        with self._state.read(FILE) as db:
            written = ledger.written(db, sorted(suspects))
        found = {key: why for key in written if (why := self._reason(key, written[key], bench.folder)) is not None}
        if not found:
            return 0
        days = sorted({day for key in found if keys.kind_of(key) == "event file" and (day := keys.day_of(key))})
        held, found = self._held(days, found, bench)
        for key, why in sorted(found.items()):
            log.error("%s of %s is damaged (%s): %s", keys.kind_of(key), keys.day_of(key), why, key, extra={"key": key})
            if why != damage.ABSENT and isinstance(blob := self._store.read(key), Blob):
                self._store.write(keys.damaged(key), blob.body, expect=ANYTHING)
        now = self._clock.now()
        self._state.commit(FILE, lambda tx: damages.take_out(tx, found, held, at=now))
        self._store.remove(found)
        self._report.damaged += [f"{key}: {why}" for key, why in sorted(found.items())]
        return len(found)

    def waiting(self) -> tuple[list[SessionId], list[date]]:
        """Sessions that have to be extracted again, and days whose rollups have to be made again."""
        with self._state.read(FILE) as db:
            return damages.sessions(db), damages.days_without_rollup(db)

    def settle(self) -> None:
        """Say of each damaged object what became of it, when nothing of it waits any more."""
        with self._state.read(FILE) as db:
            if not damages.has_unrepaired(db):
                return
        now = self._clock.now()
        rebuilt, lost = self._state.commit(FILE, lambda tx: damages.settle(tx, at=now))
        self._report.rebuilt += rebuilt
        self._report.lost += lost
        if lost:
            log.error("events of %d sessions are lost for a day: no transcript is left to read them from", lost)

    def _reason(self, key: str, written: damage.Written, folder: Path) -> str | None:
        try:
            for path in objects.fetch(self._store, [key], folder, written={key: written}).values():
                path.unlink()
        except LakeDamaged as exc:
            return exc.found[key]
        return None

    def _held(
        self, days: Iterable[date], found: dict[str, str], bench: ScratchDatabase
    ) -> tuple[dict[date, list[tuple[str, str, str]]], dict[str, str]]:
        """(user_id, session_id, generation) of sessions whose events of a day are in none of its other event files, which are
        looked at, too: `found` grows by those that are damaged."""
        held: dict[date, list[tuple[str, str, str]]] = {}
        for day in days:
            while True:
                with self._state.read(FILE) as db:
                    live = set(ledger.live_generations(db, [day]))
                    others = [key for key in ledger.batches_of(db, [day])[day] if key not in found]
                    written = ledger.written(db, others)
                try:
                    paths = objects.fetch(self._store, others, bench.folder, written=written)
                except LakeDamaged as exc:
                    found = found | exc.found
                    continue
                held[day] = sorted(live - generations_in(bench, list(paths.values())))
                for path in paths.values():
                    path.unlink()
                break
        return held, found
