"""A client that dies between any two steps loses nothing (tests/builders/killed_client.py kills it at each line)."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from agnes_cli.workspace import Queued, Workspace
from tests.builders.patience import PATIENCE_SECONDS

pytestmark = pytest.mark.slow


@pytest.mark.slow
@pytest.mark.parametrize(
    ("scenario", "lines"),
    [
        ("pushing_loses_nothing", 150),
        ("an_unreachable_server_keeps_the_queue", 80),
        ("capturing_spoils_nothing", 30),
    ],
)
def test_killed_at_each_line(tmp_path, scenario, lines):
    done = subprocess.run(
        [sys.executable, "-m", "tests.builders.killed_client", scenario, str(tmp_path)],
        cwd=Path(__file__).parents[3],
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE_SECONDS,
    )
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) > lines, "it was killed at too few lines to prove much"


def test_a_line_that_power_loss_cut_short_spoils_no_other(tmp_path):
    place = Workspace(tmp_path)
    before, after = Queued("a", "/a.jsonl"), Queued("b", "/b.jsonl")
    place.enqueue([before])
    with place.queue.open("a") as file:
        file.write("b\t/somewh")
    place.enqueue([after])
    assert {before, after} <= {*place.waiting()}
