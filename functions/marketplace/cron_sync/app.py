"""Every night at 03:00 UTC: queue a sync of every marketplace."""

from agnes import wiring
from agnes.edge import Function, job
from agnes.edge.job import Tick
from agnes.marketplace import nightly

app = Function("marketplace-cron_sync")


@app.lambda_function()
@job("marketplace.sync")
def run(tick: Tick) -> dict[str, list[str]]:
    """Each marketplace is its own message, so that a slow one delays nobody."""
    return {"queued": nightly.queue_all(wiring.state(), wiring.queue(), dry_run=tick.dry_run)}
