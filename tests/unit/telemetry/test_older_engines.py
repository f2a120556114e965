"""What an older DuckDB wrote is read and goes on: state with its logs, events and rollups.

Each sample is the store of three sessions after three runs, by the DuckDB that its name says.
"""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest

from agnes.kernel.ports import ANYTHING
from agnes.telemetry.lake import event_table
from tests.builders.transcripts import Transcript
from tests.unit.telemetry.plant import Plant

SAMPLES = sorted((Path(__file__).parents[2] / "samples" / "stored").glob("duckdb-*.zip"))
SESSIONS = [f"5d2c8a10-0001-4f00-9a00-00000000aaa{n}" for n in (0, 1, 2, 7)]


def sessions(plant: Plant) -> list[str]:
    with event_table.events(plant.store, plant.state) as bench:
        rows = bench.rows("SELECT session_id FROM events WHERE event_type = 'message' ORDER BY session_id")
    return [row["session_id"] for row in rows]


def test_there_are_samples() -> None:
    assert SAMPLES


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda sample: sample.stem)
def test_a_store_of_an_older_engine_goes_on(sample: Path, tmp_path: Path) -> None:
    plant = Plant(tmp_path / "state")
    try:
        with zipfile.ZipFile(sample) as archive:
            for name in archive.namelist():
                plant.memory.write(name, archive.read(name), expect=ANYTHING)
        with plant.state.read("telemetry") as db:
            assert db.execute("SELECT count(*) FROM telemetry.sessions").fetchone() == (3,)
        assert sessions(plant) == SESSIONS[:3]
        plant.clock.sleep(200)  # the claim of the process that made the sample is over
        t = Transcript(SESSIONS[3])
        t.prompt("Go")
        t.say([], message_id="m7", tokens=(100, 10, 0, 1000), attributionPlugin="finops")
        plant.upload(t.body(), SESSIONS[3])
        assert plant.run().sessions == 1
        assert sessions(plant) == SESSIONS
    finally:
        plant.state.close()
