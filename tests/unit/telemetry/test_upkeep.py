"""Pruning, reprocessing, and extraction by newer rules: what changes, what stays, what a page sees meanwhile."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, timedelta
from typing import Any

import pytest

from agnes.kernel.ports import ANYTHING, Message
from agnes.state import StateFiles
from agnes.telemetry.extraction import redaction, sweep, upkeep
from agnes.telemetry.model import Limits
from tests.builders.transcripts import Transcript
from tests.unit.telemetry.plant import USER, Plant
from tests.unit.telemetry.sessions import served

pytestmark = pytest.mark.slow

A = "5d2c8a10-0001-4f00-9a00-00000000aaaa"
B = "77777777-0002-4f00-9a00-00000000bbbb"
C = "88888888-0003-4f00-9a00-00000000cccc"


def work(session: str, days_ago: int = 0, seed: int = 7) -> Transcript:
    t = Transcript(session)
    t.rng.seed(f"{session}{seed}")
    t.at -= timedelta(days=days_ago)
    t.result(t.use("Skill", skill="finops:forecast"), "Launching")
    return t


def events(plant: Plant) -> int:
    return plant.rows("SELECT coalesce(sum(events), 0)::BIGINT FROM telemetry.batches")[0][0]


def days(plant: Plant) -> list[date]:
    return [day for (day,) in plant.rows("SELECT DISTINCT day FROM telemetry.batches ORDER BY day")]


def prune(plant: Plant, retention_days: int, **how: bool) -> upkeep.Pruned:
    return upkeep.prune(plant.state, clock=plant.clock, retention_days=retention_days, **how)


class SlowStore:
    """Each write takes ten seconds of the plant's clock."""

    def __init__(self, inner: Any) -> None:
        self._inner = inner

    def write(self, key: str, body: bytes, **kwargs: Any) -> Any:
        self._inner._clock.sleep(10)
        return self._inner.write(key, body, **kwargs)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)


def audited(plant: Plant) -> list[str]:
    return [action for (action,) in plant.rows("SELECT action FROM telemetry.audit ORDER BY ALL")]


def test_pruning_keeps_figures_and_stays_pruned(tmp_path):
    plant = Plant(tmp_path)
    old = work(A, days_ago=20)
    plant.upload(old.body(), A)
    plant.upload(work(B).body(), B)
    plant.run()
    tables = plant.tables()
    assert len(days(plant)) == 2
    held = events(plant)
    told = prune(plant, 10, dry_run=True)
    assert told.deleted + told.remaining == held
    assert events(plant) == held
    done = prune(plant, 10)
    assert done == told
    assert done.deleted > 0
    assert (len(days(plant)), events(plant)) == (1, done.remaining)
    assert plant.tables()["windows"] == tables["windows"]
    assert plant.tables()["daily"] == tables["daily"]
    assert prune(plant, 10).deleted == 0
    assert audited(plant) == ["usage.prune"]
    # A transcript that grows, and a reprocessing, bring nothing back, and take no figure away.
    old.at = work(B).at + timedelta(hours=1)
    old.result(old.use("Skill", skill="finops:forecast"), "Launching")
    plant.upload(old.body(), A)
    upkeep.reprocess(plant.state, clock=plant.clock)
    plant.clock.sleep(1)
    plant.run()
    assert len(days(plant)) == 1
    assert plant.plugin("finops")["invocations_30d"] == 3
    assert {row[0] for row in plant.rows("SELECT DISTINCT unnest(days) FROM telemetry.sessions")} == set(days(plant))
    # The files are removed a day later.
    plant.next_day()
    plant.upload(work(C).body(), C)
    plant.clock.sleep(3600)
    plant.run()
    assert plant.keys("telemetry/events/") == [
        key for (key,) in plant.rows("SELECT key FROM telemetry.batches ORDER BY key")
    ]


def test_nothing_is_pruned_unless_asked(tmp_path):
    plant = Plant(tmp_path)
    plant.upload(work(A, days_ago=20).body(), A)
    plant.run()
    assert prune(plant, 0).status == "skipped"
    assert len(days(plant)) == 1
    assert audited(plant) == []


def test_a_reprocessing_is_built_aside_and_swapped_at_once(tmp_path):
    plant = Plant(tmp_path, wrap=SlowStore)
    plant.names = served("chartkit")
    for number, session in enumerate((A, B, C)):
        plant.upload(work(session, days_ago=number).body(), session)
    plant.run()
    assert plant.plugin("finops") == {}
    assert plant.run().sessions == 0
    plant.names = served("finops")  # it was registered after its work was done
    plant.clock.sleep(60)
    asked = upkeep.reprocess(plant.state, clock=plant.clock)
    assert (asked.status, asked.sessions) == ("started", 3)
    before = plant.tables()
    short = Limits(round_bytes=1, seconds=1)
    for number in (1, 2):
        report = plant.run(limits=short)
        assert (report.sessions, report.aside) == (1, number)
        assert plant.tables() == before  # never a figure of two rules
    # One of those that are built already grows meanwhile: what it is now stays.
    grown = work(C, days_ago=2)
    grown.result(grown.use("Skill", skill="finops:forecast"), "Launching")
    plant.upload(grown.body(), C)
    assert plant.run(limits=short).sessions == 1
    seen = plant.plugin("finops")["invocations_30d"]
    while plant.rows(
        "SELECT count(*) FROM telemetry.sessions, telemetry.progress WHERE extracted_at < reprocess_before"
    ) != [(0,)]:
        assert plant.plugin("finops")["invocations_30d"] == seen
        plant.run(limits=short)
    assert plant.plugin("finops")["invocations_30d"] == 4
    assert plant.keys("inbox/") == plant.keys("telemetry/prepared/") == []
    assert plant.run().sessions == 0
    assert audited(plant) == ["usage.reprocess"]


class CommitSeeing(SlowStore):
    """What a reader sees after each commit of the ledger."""

    def __init__(self, inner: Any) -> None:
        super().__init__(inner)
        self.seen: list[Any] = []
        self.look: Callable[[], Any] | None = None

    def write(self, key: str, body: bytes, **kwargs: Any) -> Any:
        written = super().write(key, body, **kwargs)
        if key == "state/telemetry/head.json" and self.look is not None:
            self.seen.append(self.look())
        return written


def test_a_large_reprocessing_is_swapped_in_parts_that_each_hold_together(tmp_path):
    """More sessions than one commit holds: newest first, and at no moment is one missing or counted twice."""
    plant = Plant(tmp_path / "writer", wrap=CommitSeeing)
    for number, session in enumerate((C, B, A)):
        plant.upload(work(session, days_ago=number).body(), session)
    plant.run()
    plant.clock.sleep(60)
    upkeep.reprocess(plant.state, clock=plant.clock)
    tables = plant.tables()
    reader = StateFiles(plant.memory, clock=plant.clock, cache_dir=tmp_path / "reader", max_stale_seconds=0)

    def look() -> tuple[int, list[str]]:
        with reader.read("telemetry") as db:
            used = "SELECT invocations_30d FROM telemetry.item_windows WHERE plugin = 'finops' AND kind = 'plugin'"
            left = "SELECT session_id FROM telemetry.sessions, telemetry.progress WHERE extracted_at < reprocess_before"
            return db.execute(used).fetchone()[0], sorted(session for (session,) in db.execute(left).fetchall())

    plant.store.look = look
    report = plant.run(limits=Limits(round_bytes=1, publish_sessions=1))
    reader.close()
    assert (report.sessions, report.aside) == (3, 0)
    assert plant.store.seen == [(3, [A, B]), (3, [A]), (3, [])]
    assert plant.tables() == tables
    assert plant.keys("inbox/") == plant.keys("telemetry/prepared/") == []


def test_a_swap_that_runs_out_of_time_goes_on_with_the_next_run(tmp_path):
    plant = Plant(tmp_path, wrap=SlowStore)
    for number, session in enumerate((C, B, A)):
        plant.upload(work(session, days_ago=number).body(), session)
    plant.run()
    tables = plant.tables()
    plant.clock.sleep(60)
    upkeep.reprocess(plant.state, clock=plant.clock)
    in_parts = Limits(round_bytes=1, publish_sessions=1, seconds=1)
    asides = []
    while not asides or asides[-1]:
        asides.append(plant.run(limits=in_parts).aside)
        assert plant.plugin("finops")["invocations_30d"] == 3
    assert asides == [1, 2, 3, 2, 1, 0]
    assert plant.tables() == tables
    assert plant.keys("inbox/") == plant.keys("telemetry/prepared/") == []


def test_a_reprocessing_asked_for_again_begins_anew(tmp_path):
    plant = Plant(tmp_path, wrap=SlowStore)
    for session in (A, B):
        plant.upload(work(session).body(), session)
    plant.run()
    plant.clock.sleep(60)
    upkeep.reprocess(plant.state, clock=plant.clock)
    assert plant.run(limits=Limits(round_bytes=1, seconds=1)).aside == 1
    plant.clock.sleep(60)
    upkeep.reprocess(plant.state, clock=plant.clock)
    assert plant.run().sessions == 2
    assert plant.keys("inbox/") == plant.keys("telemetry/prepared/") == []
    assert plant.run().sessions == 0


def test_what_was_counted_stays_when_its_transcript_is_gone(tmp_path):
    plant = Plant(tmp_path)
    plant.upload(work(A).body(), A)
    plant.upload(work(B).body(), B)
    plant.run()
    tables = plant.tables()
    plant.memory.remove([key for key in plant.keys("sessions/") if A in key])  # as a retention of transcripts does
    plant.clock.sleep(60)
    upkeep.reprocess(plant.state, clock=plant.clock)
    plant.run()
    assert plant.tables() == tables
    assert plant.run().sessions == 0


class ListQueue:
    def __init__(self) -> None:
        self.sent: list[Message] = []

    def send(self, messages: Any) -> None:
        self.sent += messages


def test_a_backfill_makes_the_rollups_of_all_days_anew(tmp_path):
    plant = Plant(tmp_path)
    for number, session in enumerate((A, B, C)):
        plant.upload(work(session, days_ago=20 * number).body(), session)
    plant.run()
    tables, before = plant.tables(), plant.keys("telemetry/rollups/")
    queue = ListQueue()
    asked = upkeep.backfill(plant.state, queue)
    assert (asked.status, asked.days, asked.oldest) == ("started", 3, days(plant)[0])
    assert [message.body for message in queue.sent] == [{"rebuild": "all"}]
    plant.state.commit("telemetry", lambda tx: tx.db.execute("DELETE FROM telemetry.item_daily"))
    plant.state.commit("telemetry", lambda tx: tx.db.execute("UPDATE telemetry.item_windows SET invocations_30d = 77"))
    for _ in range(2):
        assert plant.made().rebuild().days == 3
        assert plant.tables() == tables
    assert not set(before) & {key for (key,) in plant.rows("SELECT key FROM telemetry.rollup_parts")}
    assert audited(plant) == ["usage.backfill"]


def test_the_sweep_takes_only_what_nothing_names(tmp_path):
    plant = Plant(tmp_path)
    plant.upload(work(A).body(), A)
    plant.run()
    named = plant.keys("telemetry/")
    orphans = [
        f"uploads/{USER}/{A}/main-{'0' * 64}.zst",
        "telemetry/events/day=2026-11-20/0.parquet",
        "telemetry/rollups/item_user_daily/day=2026-11-20/0.parquet",
        "telemetry/prepared/0.parquet",
    ]
    others = "telemetry/rollups/of_somebody_else/day=2026-11-20/0.parquet"
    for key in (*orphans, others):
        plant.memory.write(key, b"1234", expect=ANYTHING)
    assert sweep.sweep(plant.state, plant.store, now=plant.clock.now()) == sweep.Swept(0, 0, 0, verified=3)
    plant.next_day()
    plant.clock.sleep(1)
    young = "telemetry/events/day=2026-11-20/1.parquet"
    plant.memory.write(young, b"1234", expect=ANYTHING)
    assert sweep.sweep(plant.state, plant.store, now=plant.clock.now(), dry_run=True) == sweep.Swept(1, 3, 16)
    assert sweep.sweep(plant.state, plant.store, now=plant.clock.now()) == sweep.Swept(1, 3, 16, verified=3)
    assert sorted(plant.keys("telemetry/")) == sorted([*named, others, young])
    assert plant.keys("uploads/") == []


def test_newer_rules_extract_everything_again_by_themselves(tmp_path):
    plant = Plant(tmp_path)
    for session in (A, B):
        plant.upload(work(session).body(), session)
    plant.run()
    tables = plant.tables()
    plant.state.commit("telemetry", lambda tx: tx.db.execute("UPDATE telemetry.sessions SET processor_version = 0"))
    assert plant.run().sessions == 2
    assert plant.tables() == tables
    assert plant.run().sessions == 0


def test_a_redacted_session_does_not_come_back_by_reprocessing(tmp_path):
    plant = Plant(tmp_path)
    for session in (A, B):
        plant.upload(work(session).body(), session)
    plant.run()
    redaction.redact_session(plant.state, plant.store, USER, A, clock=plant.clock)
    plant.clock.sleep(1)
    upkeep.reprocess(plant.state, clock=plant.clock)
    plant.run()
    assert plant.rows("SELECT session_id FROM telemetry.sessions") == [(B,)]


def test_a_run_that_began_before_a_pruning_publishes_nothing(tmp_path):
    plant = Plant(tmp_path)
    plant.upload(work(A, days_ago=20).body(), A)
    plant.run()
    before = plant.rows("SELECT revision FROM telemetry.progress")
    prune(plant, 10)
    assert plant.rows("SELECT revision FROM telemetry.progress") > before
