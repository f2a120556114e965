"""Real processes over real stores, killed and paused: what they saw is what one copy of the data would have answered."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.builders.patience import PATIENCE_SECONDS
from tests.histories.runs import Figures, Run
from tests.histories.stores import STORES
from tests.simulation.mutants import SwapsBlindly

KILLS, SECONDS = 40, 12.0


def figures_of(store: str, folder: Path, **options) -> Figures:
    run = Run(STORES[store](folder), folder / "run", seed=20261130, **options)
    return run.until(kills=KILLS, seconds=SECONDS, patience_seconds=PATIENCE_SECONDS)


@pytest.mark.attack
@pytest.mark.parametrize("store", ["folder", pytest.param("minio", marks=pytest.mark.minio)])
def test_histories_with_kills_and_pauses_are_linearizable(store, tmp_path, record_property):
    figures = figures_of(store, tmp_path)
    record_property("kills", figures.kills)
    record_property("operations checked", figures.verdict.operations)
    assert figures.verdict.is_linearizable, str(figures)
    assert figures.counts["answered"] > KILLS
    assert figures.pauses > 0


@pytest.mark.attack
@pytest.mark.parametrize(
    "fault",
    [{"other": SwapsBlindly}, {"max_stale_seconds": 1.0}],
    ids=["swaps blindly", "reads what is a second old"],
)
def test_a_fault_in_the_state_files_is_found(fault, tmp_path):
    """On a busy machine sixteen processes do little in three seconds: then they get longer."""
    for seconds in (3.0, 10.0, 30.0):
        place = tmp_path / f"{seconds:.0f}"
        place.mkdir()
        run = Run(STORES["folder"](place), place / "run", seed=1, **fault)
        figures = run.until(kills=0, seconds=seconds, patience_seconds=PATIENCE_SECONDS)
        if figures.verdict.violations:
            return
    pytest.fail(str(figures))
