"""Collect transcripts from the drop locations, every SCHEDULER_SESSION_COLLECTOR_INTERVAL seconds."""

from agnes import wiring
from agnes.edge import Function, job
from agnes.edge.job import Tick
from agnes.telemetry.collecting import collector
from agnes.telemetry.collecting.report import Report

app = Function("telemetry-cron_collect")


@app.lambda_function()
@job("telemetry.collect")
def run(tick: Tick) -> Report:
    """Fetch what is new or has grown at the drop locations."""
    return collector.collect(
        wiring.state(),
        wiring.store(),
        drops=wiring.drops(),
        secrets=wiring.secrets(),
        clock=wiring.clock(),
        keep_all=wiring.settings().transcripts_keep_all,
        allowed=wiring.quotas(),
        dry_run=tick.dry_run,
    )
