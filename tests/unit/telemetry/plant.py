"""The whole of telemetry without HTTP: a memory store, real state files, uploads and runs."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

from agnes.kernel.clock import FixedClock
from agnes.outside.object_store.memory import MemoryStore
from agnes.state import StateFiles
from agnes.telemetry.extraction.served import Served
from agnes.telemetry.extraction.tick import ExtractionRun
from agnes.telemetry.keys import transcript_id
from agnes.telemetry.model import Limits, Report
from agnes.telemetry.transcripts import packed, uploads
from tests.unit.telemetry.sessions import RECEIVED, served

USER = "user1"
FINOPS = served("finops", "chartkit")


class Plant:
    """`store` may be wrapped; `names` and `names_of` may be changed between runs."""

    def __init__(self, folder: Path, *, wrap: Callable[[Any], Any] = lambda store: store) -> None:
        self.clock = FixedClock(RECEIVED)
        self.memory = MemoryStore(clock=self.clock)
        self.store = wrap(self.memory)
        self.folder = folder
        self.names: Served = FINOPS
        self.names_of: dict[str, Served] = {}
        """Of users who are served something else."""
        self.state = StateFiles(self.store, clock=self.clock, cache_dir=folder, max_stale_seconds=0)

    def reborn(self) -> None:
        """The process died: nothing of it is left but the store."""
        self.state.close()
        self.state = StateFiles(self.store, clock=self.clock, cache_dir=self.folder, max_stale_seconds=0)
        self.clock.sleep(121)

    def upload(self, body: bytes, session: str, *, agent: str | None = None, user: str = USER) -> str:
        which = transcript_id(user, session, agent)
        return uploads.publish(self.store, which, packed.pack(body), now=self.clock.now())[0]

    def made(self, **how: Any) -> ExtractionRun:
        return ExtractionRun(
            self.store,
            self.state,
            clock=self.clock,
            served_for=lambda _db: lambda user: self.names_of.get(user, self.names),
            served_files=(),
            **how,
        )

    def run(self, *, limits: Limits | None = None) -> Report:
        return self.made(limits=limits).run()

    def next_day(self) -> None:
        self.clock.sleep(timedelta(days=1).total_seconds())

    def rows(self, sql: str) -> list[tuple]:
        with self.state.read("telemetry") as db:
            return db.execute(sql).fetchall()

    def tables(self) -> dict[str, Any]:
        """Everything that was concluded, without what names a run."""
        return {
            "sessions": self.rows(
                "SELECT * EXCLUDE (generation, extracted_at) FROM telemetry.sessions ORDER BY user_id, session_id"
            ),
            "files": self.rows(
                "SELECT user_id, session_id, file, plain_bytes, lines, skipped_lines, quarantine_reason "
                "FROM telemetry.transcripts ORDER BY ALL"
            ),
            "daily": self.rows("SELECT * FROM telemetry.item_daily ORDER BY ALL"),
            "windows": self.rows("SELECT * FROM telemetry.item_windows ORDER BY ALL"),
        }

    def plugin(self, name: str, kind: str = "plugin", item: str | None = None) -> dict[str, Any]:
        with self.state.read("telemetry") as db:
            found = db.execute(
                "SELECT * FROM telemetry.item_windows WHERE plugin = ? AND kind = ? AND name = ?",
                [name, kind, item or name],
            )
            names = [column[0] for column in found.description]
            row = found.fetchone()
        return dict(zip(names, row, strict=True)) if row else {}

    def keys(self, prefix: str) -> list[str]:
        return [entry.key for entry in self.memory.list(prefix)]

    def quarantine_notes(self) -> dict[str, str]:
        return {key: json.loads(self.memory.read(key).body)["reason"] for key in self.keys("quarantine/")}
