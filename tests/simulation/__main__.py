"""`python -m tests.simulation --seeds 2000 [--first 0]`, or `--seed 17 --trace` for one schedule.

Every 50th seed runs with real DuckDB files, and every 20th runs twice, to be the same both times. A schedule is a thing
of its own, so each core runs some.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import sys
import time
import traceback
from dataclasses import dataclass, field

from tests.simulation.scenario import Scenario
from tests.simulation.toy import SqlLedger, ToyLedger

REAL_EVERY = 50
TWICE_EVERY = 20
AT_ONCE = 10
"""Seeds that a process takes at once."""


@dataclass(frozen=True, slots=True)
class Outcome:
    acked: int
    unknown: int
    generations: int
    trace: list[str] = field(repr=False)
    failure: str = ""
    """Why, with the traceback; the trace is then what led to it."""


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.simulation", description=__doc__)
    parser.add_argument("--seeds", type=int, default=2000, help="how many schedules")
    parser.add_argument("--first", type=int, default=0, help="the first seed")
    parser.add_argument("--seed", type=int, help="only this one")
    parser.add_argument("--trace", action="store_true", help="print what happened")
    options = parser.parse_args()
    seeds = [options.seed] if options.seed is not None else range(options.first, options.first + options.seeds)
    began = time.monotonic()
    acked = unknown = generations = 0
    with multiprocessing.get_context("fork").Pool(min(os.cpu_count() or 1, len(seeds))) as pool:
        for seed, outcome in zip(seeds, pool.imap(outcome_of, seeds, chunksize=AT_ONCE), strict=True):
            if outcome.failure:
                print(outcome.failure, file=sys.stderr)
                print(*outcome.trace[-60:], sep="\n")
                print(f"\nseed {seed} failed: python -m tests.simulation --seed {seed} --trace")
                return 1
            if options.trace:
                print(*outcome.trace, sep="\n")
            acked += outcome.acked
            unknown += outcome.unknown
            generations += outcome.generations
    seconds = time.monotonic() - began
    print(
        f"{len(seeds)} schedules in {seconds:.0f} s: {generations} generations, {acked} acknowledged changes, "
        f"{unknown} unknown, 0 lost, 0 doubled"
    )
    return 0


def outcome_of(seed: int) -> Outcome:
    scenario, failure = scenario_of(seed), ""
    try:
        trace = scenario.run()
        if seed % TWICE_EVERY == 0 and scenario_of(seed).run() != trace:
            raise AssertionError("two runs of the same seed differ")
    except BaseException:
        failure = traceback.format_exc()
    outcomes = [op.outcome for op in scenario.ops.values()]
    return Outcome(
        outcomes.count("acked"), outcomes.count("unknown"), scenario.generations, scenario.world.trace, failure
    )


def scenario_of(seed: int) -> Scenario:
    return Scenario(seed, ledger=SqlLedger if seed % REAL_EVERY == REAL_EVERY - 1 else ToyLedger)


if __name__ == "__main__":
    sys.exit(main())
