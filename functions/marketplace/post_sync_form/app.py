"""The button *Sync now*."""

from agnes import wiring
from agnes.admin import marketplace_pages
from agnes.edge import Done, Function, Needs, form
from agnes.edge.formats import sentence
from agnes.kernel.errors import AgnesError
from agnes.kernel.principal import Principal
from agnes.marketplace import sync
from agnes.marketplace.limits import INTERACTIVE_SYNC_SECONDS

app = Function("marketplace-post_sync_form")


@app.route("/admin/marketplaces/{id}/sync", methods=["POST"])
@form(needs=Needs.ADMIN)
def post_sync_form(_who: Principal, id: str) -> Done:
    """Sync it and show what changed, or why it failed."""
    try:
        report = sync.sync(wiring.syncing(), id, seconds=INTERACTIVE_SYNC_SECONDS)
    except AgnesError as failed:
        if failed.status == 404:
            raise
        return Done(
            marketplace_pages.path(id), f"The sync failed. {sentence(failed.message)} {failed.hint or ''}".strip()
        )
    sync.go_on(wiring.queue(), report)
    return Done(*marketplace_pages.synced(report))
