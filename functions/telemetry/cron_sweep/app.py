"""Remove what uploads and runs that died have left, once a day."""

from agnes import wiring
from agnes.edge import Function, job
from agnes.edge.job import Tick
from agnes.telemetry.extraction import sweep

app = Function("telemetry-cron_sweep")


@app.lambda_function()
@job("telemetry.sweep")
def run(tick: Tick) -> sweep.Swept:
    """Objects that nothing names, and that are older than a day."""
    return sweep.sweep(
        wiring.state(), wiring.store(), now=wiring.clock().now(), dry_run=tick.dry_run, clock=wiring.clock()
    )
