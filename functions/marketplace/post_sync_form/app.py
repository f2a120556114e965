"""What the button "Sync now" is sent to."""

from agnes import wiring
from agnes.edge import Function, Needs, Redirect, Reply, page
from agnes.kernel.errors import AgnesError
from agnes.kernel.principal import Principal
from agnes.marketplace import administration, sync
from agnes.marketplace.administration import MarketplacePage, Problem
from agnes.marketplace.limits import INTERACTIVE_SYNC_SECONDS

app = Function("marketplace-post_sync_form")


@app.route("/admin/marketplaces/{id}/sync", methods=["POST"])
@page(needs=Needs.ADMIN)
def post_sync_form(_who: Principal, id: str) -> Reply | MarketplacePage:
    """Sync it and show what changed, or say why not."""
    try:
        report = sync.sync(wiring.syncing(), id, seconds=INTERACTIVE_SYNC_SECONDS)
    except AgnesError as refused:
        return administration.marketplace_page(wiring.state(), id, problem=Problem.of(refused))
    sync.go_on(wiring.queue(), report)
    return Redirect(wiring.settings().base_path + administration.synced(report))
