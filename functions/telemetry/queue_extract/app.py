"""What the extraction leaves to its queue: a batch of transcripts, or the rollups of all days."""

from typing import Any

from agnes import wiring
from agnes.edge import Function, queue_job
from agnes.telemetry import service
from agnes.telemetry.model import Limits

app = Function("telemetry-queue_extract")


@app.lambda_function()
@queue_job("telemetry.extract")
def run(body: dict[str, Any]) -> None:
    """Batches are read several at once; whoever has the claim publishes what was found."""
    if "batch" in body:
        batch, then, limits = body["batch"], body.get("then", ()), Limits(processes=wiring.cores())
        state, store, queue = wiring.state(), wiring.store(), wiring.queue()
        service.extract_queued(state, store, queue, batch, then, clock=wiring.clock(), limits=limits)
    else:
        service.rebuild_queued(wiring.state(), wiring.store(), clock=wiring.clock())
