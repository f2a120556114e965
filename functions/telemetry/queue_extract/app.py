"""Read and extract the batch of transcripts that a message names."""

from agnes import wiring
from agnes.edge import Function, queue_job
from agnes.telemetry import service

app = Function("telemetry-queue_extract")


@app.lambda_function()
@queue_job("telemetry.extract")
def run(body: dict[str, str]) -> None:
    """Several at once; whoever has the claim publishes what they have found."""
    service.extract_queued(wiring.state(), wiring.store(), body["batch"], clock=wiring.clock())
