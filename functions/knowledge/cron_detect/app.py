"""Read sessions for facts that people verified, every SCHEDULER_VERIFICATION_DETECTOR_INTERVAL seconds."""

from datetime import timedelta

from agnes import wiring
from agnes.edge import Function, job
from agnes.edge.job import Tick
from agnes.knowledge import detecting
from agnes.knowledge.detecting import Report

app = Function("knowledge-cron_detect")


@app.lambda_function()
@job("knowledge.detect")
def run(tick: Tick) -> Report:
    """Forget redacted sessions, read new ones that are quiet; a backlog goes to the queue."""
    return detecting.run(
        wiring.knowledge(),
        wiring.knowledge_judge(),
        wiring.queue(),
        now=tick.at,
        quiet=timedelta(seconds=wiring.settings().knowledge_quiet_seconds),
        dry_run=tick.dry_run,
    )
