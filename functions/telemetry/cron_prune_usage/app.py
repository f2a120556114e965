"""Let old usage events and transcripts go, every SCHEDULER_USAGE_PRUNE_INTERVAL seconds."""

from agnes import wiring
from agnes.edge import Function, job
from agnes.edge.job import Tick
from agnes.telemetry.drill_down import downloads
from agnes.telemetry.extraction import upkeep
from agnes.telemetry.lake import exports

app = Function("telemetry-cron_prune_usage")


@app.lambda_function()
@job("telemetry.prune")
def run(tick: Tick) -> upkeep.Pruned:
    """Forget the events and the transcripts that their settings do not keep, and exports and downloads of earlier days."""
    if not tick.dry_run:
        exports.remove_old(wiring.store(), now=tick.at)
        downloads.remove_old(wiring.store(), now=tick.at)
    return upkeep.prune_all(
        wiring.state(),
        wiring.store(),
        clock=wiring.clock(),
        events_days=wiring.settings().usage_events_retention_days,
        transcripts_days=wiring.settings().usage_transcripts_retention_days,
        dry_run=tick.dry_run,
    )
