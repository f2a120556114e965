"""Every ten minutes: have the tables collected that are due."""

from agnes import wiring
from agnes.edge import Function, job
from agnes.edge.job import Tick
from agnes.tables import collecting

app = Function("tables-cron_collect")


@app.lambda_function()
@job("tables.collect")
def run(tick: Tick) -> dict[str, list[str]]:
    """One message a table, so that a slow one holds up no other."""
    return {"sent": collecting.send_due(wiring.collecting(), dry_run=tick.dry_run)}
