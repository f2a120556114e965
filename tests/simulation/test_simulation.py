"""The simulation keeps its promises, repeats itself, and catches every rule that is broken on purpose."""

import pytest

from agnes.state.head import StateDamaged
from tests.simulation.__main__ import scenario_of
from tests.simulation.mutants import MUTANTS
from tests.simulation.scenario import Broken, Scenario
from tests.simulation.toy import SqlLedger

MOST_SEEDS = 400


@pytest.mark.parametrize("first", range(0, 100, 50))
def test_nothing_is_lost_or_doubled(first):
    for seed in range(first, first + 50):
        scenario = scenario_of(seed)
        try:
            scenario.run()
        except BaseException as error:
            error.add_note(f"replay it: python -m tests.simulation --seed {seed} --trace")
            raise


@pytest.mark.parametrize("seed", [2, 3, 5])
def test_nothing_is_lost_or_doubled_with_real_duckdb_files(seed):
    scenario = Scenario(seed, ledger=SqlLedger)
    scenario.run()
    assert any(op.outcome == "acked" for op in scenario.ops.values())


@pytest.mark.parametrize("seed", [24631])
def test_schedules_that_broke_something_once(seed):
    """24631: a commit that others had followed was told as failed, since the look at what followed failed."""
    scenario_of(seed).run()


def test_the_same_seed_gives_the_same_trace():
    for seed in range(5):
        first, second = Scenario(seed).run(), Scenario(seed).run()
        assert first == second
        assert len(first) > 100


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.__name__)
def test_a_broken_rule_is_caught(mutant):
    for seed in range(MOST_SEEDS):
        try:
            Scenario(seed, publisher=mutant).run()
        except (Broken, StateDamaged):  # a promise broken, or a file that nobody can read any more
            return
    pytest.fail(f"{mutant.__name__} survived {MOST_SEEDS} schedules")
