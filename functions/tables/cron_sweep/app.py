"""Every day: delete objects of tables that nothing has named for a day, and results of queries."""

from agnes import wiring
from agnes.edge import Function, job
from agnes.edge.job import Tick
from agnes.tables import collecting, querying

app = Function("tables-cron_sweep")


@app.lambda_function()
@job("tables.sweep")
def run(tick: Tick) -> dict[str, int]:
    """Somebody may be downloading what was replaced a moment ago, so it stays for a day."""
    results = querying.sweep(wiring.store(), wiring.clock().now(), dry_run=tick.dry_run)
    return {"removed": collecting.sweep(wiring.collecting(), dry_run=tick.dry_run), "results": results}
