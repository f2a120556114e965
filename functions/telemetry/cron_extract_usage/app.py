"""Extract usage from new transcripts, every SCHEDULER_USAGE_PROCESSOR_INTERVAL seconds."""

from agnes import wiring
from agnes.edge import Function, job
from agnes.edge.job import Tick
from agnes.telemetry import service
from agnes.telemetry.model import Limits, Report

app = Function("telemetry-cron_extract_usage")


@app.lambda_function()
@job("telemetry.extract")
def run(tick: Tick) -> Report:
    """Read the inbox, extract, roll up; a backlog goes to the queue."""
    return service.extract_usage(
        wiring.state(),
        wiring.store(),
        clock=wiring.clock(),
        dry_run=tick.dry_run,
        limits=Limits(processes=wiring.cores()),
        queue=wiring.queue(),
    )
