"""The queue of the Flea market."""

from agnes import wiring
from agnes.admin import flea_pages
from agnes.admin.flea_pages import FleaQueuePage, QueuePageQuery
from agnes.edge import Function, Needs, page
from agnes.kernel.principal import Principal

app = Function("admin-page_store")


def _shown(query: QueuePageQuery) -> FleaQueuePage:
    with wiring.state().read("flea") as db:
        return flea_pages.queue_page(db, query, now=wiring.clock().now())


@app.route("/admin/store", methods=["GET"])
@page(needs=Needs.ADMIN, query=QueuePageQuery, reads=("flea",))
def page_store(_who: Principal, query: QueuePageQuery) -> FleaQueuePage:
    """Show what needs somebody, the riskiest first."""
    return _shown(query)


@app.route("/admin/store/submissions", methods=["GET"])
@page(needs=Needs.ADMIN, query=QueuePageQuery, reads=("flea",))
def page_submissions(_who: Principal, query: QueuePageQuery) -> FleaQueuePage:
    """Show the same."""
    return _shown(query)
