"""Old generations of the state files, removed once a day."""

from dataclasses import asdict
from typing import Any

from agnes import wiring
from agnes.edge import Function, job
from agnes.edge.job import Tick
from agnes.health import installation
from agnes.hosting import ledger

app = Function("ops-cron_prune_state")


@app.lambda_function()
@job("ops.prune_state")
def run(tick: Tick) -> dict[str, Any]:
    """Keep the newest 50 generations and those of the last 24 hours of each file, failed runs for 14 days, counted calls for 62.

    Heads of an earlier form are renewed: a day after a roll-out no function of the earlier release runs any more.
    """
    state = wiring.state()
    failed = {"failed_runs": installation.forget_failed_runs(wiring.store(), tick.at, dry_run=tick.dry_run)}
    if tick.dry_run:
        return {file: {"generations": len(state.history(file))} for file in state.names} | failed
    renewed = {"renewed": files} if (files := state.renew()) else {}
    counted = {"counted_calls": ledger.forget(wiring.store(), tick.at)}
    return {file: asdict(state.prune(file)) for file in state.names} | failed | renewed | counted
