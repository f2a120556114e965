"""Every night at 04:40 UTC: remove trees and assets that nothing names any more."""

from agnes import wiring
from agnes.edge import Function, job
from agnes.edge.job import Tick
from agnes.feed import sweeping

app = Function("feed-cron_sweep")


@app.lambda_function()
@job("feed.sweep")
def run(tick: Tick) -> dict[str, int | str]:
    """What was named within the last seven days stays."""
    return sweeping.sweep(wiring.state(), wiring.store(), clock=wiring.clock(), now=tick.at, dry_run=tick.dry_run)
