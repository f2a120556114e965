"""Every night at 04:10 UTC: remove views and zips that are nobody's any more."""

from agnes import wiring
from agnes.edge import Function, job
from agnes.edge.job import Tick
from agnes.feed import pruning

app = Function("feed-cron_prune")


@app.lambda_function()
@job("feed.prune")
def run(tick: Tick) -> dict[str, int]:
    """What is current, or younger than 14 days, stays."""
    return pruning.prune(wiring.state(), wiring.store(), now=tick.at, dry_run=tick.dry_run)
