"""Every night at 03:50 UTC: forget versions and syncs that nobody needs."""

from agnes import wiring
from agnes.edge import Function, job
from agnes.edge.job import Tick
from agnes.marketplace import retention

app = Function("marketplace-cron_prune")


@app.lambda_function()
@job("marketplace.prune")
def run(tick: Tick) -> dict[str, int]:
    """What is in use, new, young or rejected stays."""
    settings = wiring.settings()
    keep = retention.Keep(settings.agnes_keep_versions, settings.agnes_keep_version_days)
    return retention.prune(wiring.state(), keep, now=tick.at, dry_run=tick.dry_run)
