"""Which events count, for engines that read the lake by themselves: `telemetry/current/sessions.parquet`.

One row a session, (user_id, session_id, generation), as the ledger has it. An event below `telemetry/events/` counts if
its three columns are a row of it (docs/scale.md). Whoever has changed the ledger writes it; Agnes itself does not read it. If
that one dies in between, it is a run behind until the next change.
"""

from __future__ import annotations

from collections.abc import Collection

from agnes.kernel.errors import UnavailableError
from agnes.kernel.ports import ABSENT, ObjectStore, OutcomeUnknown, PreconditionFailed, TryAgain, Unchanged
from agnes.kernel.state import State
from agnes.telemetry import keys
from agnes.telemetry.keys import SessionId
from agnes.telemetry.lake import ledger
from agnes.telemetry.lake.batch import SESSION, ScratchDatabase
from agnes.telemetry.model import FILE

_ATTEMPTS = 5


def write(store: ObjectStore, state: State, bench: ScratchDatabase, *, without: Collection[SessionId] = ()) -> None:
    """Raises UnavailableError. The ledger is read after the object, so that no older state of it replaces a newer one."""
    gone = set(without)
    for _ in range(_ATTEMPTS):
        known = store.read(keys.CURRENT)
        with state.read(FILE) as db:
            sessions = [row for row in ledger.all_generations(db) if row[:2] not in gone]
        bench.table("current_sessions", SESSION, sessions)
        path = bench.folder / "current-sessions.parquet"
        bench.db.execute(f"COPY (FROM current_sessions ORDER BY ALL) TO '{path}' (FORMAT parquet, COMPRESSION zstd)")
        body = path.read_bytes()
        expect = Unchanged(known.version) if known is not None else ABSENT
        try:
            store.write(keys.CURRENT, body, expect=expect, content_type="application/vnd.apache.parquet")
            return
        except (PreconditionFailed, TryAgain, OutcomeUnknown):
            continue
    raise UnavailableError(f"{keys.CURRENT} could not be written", code="store_busy", hint="Try again in a moment.")
