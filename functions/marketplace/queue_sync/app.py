"""Sync the marketplace that a message names."""

from agnes import wiring
from agnes.edge import Function, queue_job
from agnes.marketplace import sync

app = Function("marketplace-queue_sync")


@app.lambda_function()
@queue_job("marketplace.sync")
def run(body: dict[str, str]) -> None:
    """Repeated by the queue only where that can help; every outcome is in the sync history."""
    sync.sync_queued(wiring.syncing(), body["id"])
