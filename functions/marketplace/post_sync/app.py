"""Sync one marketplace now."""

from agnes import wiring
from agnes.edge import Function, Needs, endpoint
from agnes.kernel.principal import Principal
from agnes.marketplace import sync
from agnes.marketplace.limits import INTERACTIVE_SYNC_SECONDS
from agnes.marketplace.model import SyncReport

app = Function("marketplace-post_sync")


@app.route("/api/marketplaces/{id}/sync", methods=["POST"])
@endpoint(needs=Needs.ADMIN)
def post_sync(_who: Principal, id: str) -> SyncReport:
    """Fetch the repository and put its plugins in place."""
    report = sync.sync(wiring.syncing(), id, seconds=INTERACTIVE_SYNC_SECONDS)
    sync.go_on(wiring.queue(), report)
    return report
