"""The lake as PySpark reads it: the SQL of docs/scale.md gives our windows, row by row."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from datetime import timedelta
from pathlib import Path
from typing import Any

import duckdb
import pytest

from agnes.telemetry import keys
from agnes.telemetry.extraction import redaction
from tests.builders.transcripts import START, Transcript, generate
from tests.unit.telemetry.plant import Plant
from tests.unit.telemetry.sessions import served

pytestmark = pytest.mark.spark

ROOT = Path(__file__).parents[2]
PYTHON = ROOT / ".venv-scale" / "bin" / "python"
MASTER = os.environ.get("AGNES_SPARK_MASTER", "local[2]")
COLUMNS = (
    "source, marketplace_id, plugin, kind, name, invocations_7d, distinct_users_7d, errors_7d, invocations_30d, "
    "distinct_users_30d, errors_30d, active_days_30d, tokens_30d"
)


@pytest.fixture
def plant(tmp_path):
    plant = Plant(tmp_path / "plant")
    plant.names = served("finops", "chartkit", "sql-style")
    yield plant
    plant.state.close()


def a_month_of_work(plant: Plant) -> None:
    """Three people; sessions that were sent in two parts, a fork, a copy of the fork, and two that were redacted."""
    sessions = list(generate(11, sessions=36, session_bytes=20_000))
    for number, t in enumerate(sessions):
        plant.upload(part(t, 0.5) if number % 4 == 0 else t.body(), t.session, user=f"user{number % 3}")
    plant.run()
    for number, t in enumerate(sessions[::4]):
        plant.upload(t.body(), t.session, user=f"user{number * 4 % 3}")
        if number % 3 == 0:
            plant.run()  # many small files a day, which are merged
    for number, t in enumerate(sessions[1:6]):
        fork = f"5d2c8a10-000{number}-4f00-9a00-00000000ffff"
        plant.upload(t.body().replace(t.session.encode(), fork.encode()), fork, user=f"user{(number + 1) % 3}")
    for days in (2, 20):
        failing = Transcript(f"5d2c8a10-00{days:02d}-4f00-9a00-00000000eeee", at=START - timedelta(days=days))
        failing.result(failing.use("Skill", skill="finops:forecast"), "no such ledger", is_error=True)
        plant.upload(failing.body(), failing.session, user="user2")
    plant.run()
    for number in (7, 8):
        redaction.redact_session(
            plant.state, plant.store, f"user{number % 3}", sessions[number].session, clock=plant.clock
        )
    plant.run()


def part(t: Transcript, share: float) -> bytes:
    lines = t.body().splitlines(keepends=True)
    return b"".join(lines[: int(len(lines) * share)])


def by_spark(lake: Path, today: str, folder: Path) -> list[dict[str, Any]]:
    [sql] = re.findall(r"```sql\n(.*?)```", (ROOT / "docs" / "scale.md").read_text(), re.DOTALL)
    (folder / "windows.sql").write_text(sql)
    done = subprocess.run(
        [PYTHON, ROOT / "tests/scale/spark_windows.py", MASTER, folder / "windows.sql", lake, today],
        cwd=folder,
        env={"PATH": os.environ["PATH"], "HOME": str(folder), "SPARK_LOCAL_IP": "127.0.0.1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-4000:]
    return [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]


def test_spark_computes_our_windows_from_the_same_files(plant, tmp_path):
    assert PYTHON.exists(), "PySpark is missing: run `make scale`, which installs it"
    assert shutil.which("java"), "Java is missing: install default-jre-headless"
    a_month_of_work(plant)
    lake = tmp_path / "lake"
    for key in plant.keys("telemetry/"):
        path = lake / key
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(plant.memory.read(key).body)
    today = plant.clock.now().date()
    ours = plant.rows(f"SELECT {COLUMNS} FROM telemetry.item_windows ORDER BY ALL")
    names = COLUMNS.split(", ")
    theirs = sorted(tuple(row[name] for name in names) for row in by_spark(lake, today.isoformat(), tmp_path))

    assert theirs == ours
    # The figures have something to be wrong about: several people, errors, tokens, and events that must not count.
    assert len(ours) > 8
    assert max(row[9] for row in ours) == 3
    assert all(any(row[names.index(column)] for row in ours) for column in ("errors_7d", "errors_30d", "tokens_30d"))
    assert len({key.split("/")[2] for key in plant.keys("telemetry/events/")}) > 20, "days"
    stored, counted = plant_events(plant)
    assert stored > counted


def plant_events(plant: Plant) -> tuple[int, int]:
    """Event rows in all files, and those that count, each once."""
    files = []
    for number, key in enumerate(plant.keys("telemetry/events/")):
        path = plant.folder / f"all-{number}.parquet"
        path.write_bytes(plant.memory.read(key).body)
        files.append(str(path))
    current = plant.folder / "current.parquet"
    current.write_bytes(plant.memory.read(keys.CURRENT).body)
    with duckdb.connect() as db:
        rows = f"read_parquet({files}, hive_partitioning = false)"
        (stored,) = db.execute(f"SELECT count(*) FROM {rows}").fetchone()
        (counted,) = db.execute(
            f"SELECT count(DISTINCT event_id) FROM {rows} SEMI JOIN '{current}' USING (user_id, session_id, generation)"
        ).fetchone()
    return stored, counted
