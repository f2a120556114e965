"""What the extraction leaves to its queue: a batch of transcripts, or the rollups of all days."""

from agnes import wiring
from agnes.edge import Function, queue_job
from agnes.telemetry import service
from agnes.telemetry.model import Limits

app = Function("telemetry-queue_extract")


@app.lambda_function()
@queue_job("telemetry.extract")
def run(body: dict[str, str]) -> None:
    """Batches are read several at once; whoever has the claim publishes what was found."""
    if "batch" in body:
        limits = Limits(processes=wiring.cores())
        service.extract_queued(wiring.state(), wiring.store(), body["batch"], clock=wiring.clock(), limits=limits)
    else:
        service.rebuild_queued(wiring.state(), wiring.store(), clock=wiring.clock())
