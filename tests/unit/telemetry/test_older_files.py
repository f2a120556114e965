"""Event files and rollups that were written before a column was there are read with what is usual in it."""

from __future__ import annotations

from pathlib import Path

import duckdb
import pytest

from agnes.kernel.ports import ANYTHING
from agnes.telemetry.lake import event_table, parts, rollups
from agnes.telemetry.model import BILLED, CACHE_1H, WEB_SEARCHES
from tests.builders.transcripts import Transcript
from tests.unit.telemetry.plant import Plant
from tests.unit.telemetry.sessions import RECEIVED

A = "5d2c8a10-0001-4f00-9a00-00000000aaaa"
LATER = (
    *(CACHE_1H, WEB_SEARCHES, "carried", "speed", "service_tier", "inference_geo", "long_prompt", "effort"),
    *("attribution_mcp_server", "attribution_mcp_tool", "rate"),
)


def aged(body: bytes, folder: Path) -> bytes:
    """The same file as an earlier release wrote it."""
    path, older = folder / "new.parquet", folder / "old.parquet"
    path.write_bytes(body)
    db = duckdb.connect()
    names = [row[0] for row in db.execute(f"DESCRIBE FROM '{path}'").fetchall()]
    kept = ", ".join(name for name in names if name not in LATER)
    db.execute(f"COPY (SELECT {kept} FROM '{path}') TO '{older}' (FORMAT parquet)")
    db.close()
    return older.read_bytes()


@pytest.fixture
def plant(tmp_path):
    made = Plant(tmp_path / "state")
    yield made
    made.state.close()


def test_all_files_are_older(plant, tmp_path):
    t = Transcript(A)
    t.prompt("Go")
    t.say(
        [], message_id="m1", tokens=(100, 10, 0, 1000), attributionPlugin="finops", attributionSkill="finops:forecast"
    )
    plant.upload(t.body(), A)
    plant.run()
    for entry in list(plant.store.list("telemetry/")):
        if "/day=" in entry.key:
            body = plant.store.read(entry.key).body
            plant.store.write(entry.key, aged(body, tmp_path), expect=ANYTHING)
    # Those of releases that noted no digest; only their size is known.
    sizes = {entry.key: entry.size_bytes for entry in plant.store.list("telemetry/")}

    def note_sizes(tx):
        for table in ("batches", "rollup_parts"):
            for key, size in sizes.items():
                tx.db.execute(f"UPDATE telemetry.{table} SET size_bytes = ?, sha256 = NULL WHERE key = ?", [size, key])

    plant.state.commit("telemetry", note_sizes)
    day = RECEIVED.date()
    with event_table.events(plant.store, plant.state) as bench:
        (event,) = bench.rows("SELECT * FROM events WHERE event_type = 'message'")
    assert [event[name] for name in BILLED] == [100, 10, 0, 1000, 0, 0]
    assert (event["carried"], event["long_prompt"], event["speed"]) == (False, 0, None)
    names = (rollups.ITEM_MODEL, rollups.USER_MODEL, rollups.ITEM_USER_DAILY)
    with parts.tables(plant.store, plant.state, names, since=day.replace(day=1), until=day) as bench:
        for name in names:
            (row, *_) = bench.rows(f"SELECT * FROM {name if name.endswith('daily') else name + '_daily'}")
            assert [row[count] for count in BILLED] == [100, 10, 0, 1000, 0, 0]
    plant.next_day()
    plant.run()  # windows are made of them
    assert plant.plugin("finops")["tokens_30d"] == 1110
