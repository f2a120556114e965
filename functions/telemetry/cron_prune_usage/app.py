"""Let old usage events go, every SCHEDULER_USAGE_PRUNE_INTERVAL seconds."""

from agnes import wiring
from agnes.edge import Function, job
from agnes.edge.job import Tick
from agnes.telemetry import export, upkeep, viewing

app = Function("telemetry-cron_prune_usage")


@app.lambda_function()
@job("telemetry.prune")
def run(tick: Tick) -> upkeep.Pruned:
    """Forget the events that USAGE_EVENTS_RETENTION_DAYS does not keep, and exports and downloads of earlier days."""
    if not tick.dry_run:
        export.remove_old(wiring.store(), now=tick.at)
        viewing.remove_old(wiring.store(), now=tick.at)
    days = wiring.settings().usage_events_retention_days
    return upkeep.prune(wiring.state(), clock=wiring.clock(), retention_days=days, dry_run=tick.dry_run)
