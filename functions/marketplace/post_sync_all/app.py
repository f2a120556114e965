"""Sync every marketplace now."""

from agnes import wiring
from agnes.edge import Function, Needs, endpoint
from agnes.kernel.principal import Principal
from agnes.marketplace import sync_runs
from agnes.marketplace.model import SyncAllReport

app = Function("marketplace-post_sync_all")


@app.route("/api/marketplaces/sync-all", methods=["POST"])
@endpoint(needs=Needs.ADMIN)
def post_sync_all(_who: Principal) -> SyncAllReport:
    """Sync all, one after the other; those for which no time is left are queued."""
    return sync_runs.sync_all(wiring.syncing(), wiring.queue())
