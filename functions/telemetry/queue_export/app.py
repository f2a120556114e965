"""Make the next part of an export of usage events."""

from agnes import wiring
from agnes.edge import Function, queue_job
from agnes.telemetry.lake import exports

app = Function("telemetry-queue_export")


@app.lambda_function()
@queue_job("telemetry.export")
def run(body: dict[str, str]) -> None:
    """What is left when the time of one delivery is up goes on in the next one."""
    exports.run_queued(wiring.state(), wiring.store(), wiring.queue(), body["export"], clock=wiring.clock())
