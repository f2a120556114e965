"""Sync the marketplace that a message names."""

from typing import Any

from agnes import wiring
from agnes.edge import Function, queue_job
from agnes.marketplace import sync, sync_runs

app = Function("marketplace-queue_sync")


@app.lambda_function()
@queue_job("marketplace.sync")
def run(body: dict[str, Any]) -> None:
    """Repeated by the queue only where that can help; every outcome is in the sync history. External plugins that wait have a
    message of their own."""
    report = sync_runs.sync_queued(wiring.syncing(), body["id"])
    if report is not None:
        sync.go_on(wiring.queue(), report, run=int(body.get("run", 0)))
