"""Compare knowledge, end what has expired and remind admins, every SCHEDULER_CORPORATE_MEMORY_INTERVAL seconds."""

from agnes import wiring
from agnes.edge import Function, job
from agnes.edge.job import Tick
from agnes.knowledge import relating
from agnes.knowledge.relating import Report

app = Function("knowledge-cron_relate")


@app.lambda_function()
@job("knowledge.relate")
def run(tick: Tick) -> Report:
    """Find duplicates and contradictions within the day's dollars; admins resolve them."""
    return relating.run(wiring.knowledge(), wiring.knowledge_judge(), now=tick.at, dry_run=tick.dry_run)
