"""The listing's API."""

from agnes import wiring
from agnes.browse import queries, service
from agnes.browse.model import Listing
from agnes.edge import Function, Needs, endpoint
from agnes.kernel.principal import Principal

app = Function("browse-get_items")


@app.route("/api/marketplace/items", methods=["GET"])
@endpoint(needs=Needs.LOGIN, query=service.ItemsQuery)
def get_items(who: Principal, query: service.ItemsQuery) -> Listing:
    """List what you may see, searched, sorted and paged, with categories and tab totals."""
    with wiring.state().read(*queries.FILES) as db:
        return service.listing(db, who, query)
