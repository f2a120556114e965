"""The listing's API."""

from agnes import wiring
from agnes.browse import service
from agnes.browse.model import Listing
from agnes.edge import Function, Needs, endpoint
from agnes.kernel.principal import Principal

app = Function("browse-get_items")


@app.route("/api/marketplace/items", methods=["GET"])
@endpoint(needs=Needs.LOGIN, query=service.ItemsQuery, reads=service.FILES)
def get_items(who: Principal, query: service.ItemsQuery) -> Listing:
    """List what you may see, searched, sorted and paged, with facets, tab totals and what is popular."""
    return service.listing(wiring.state(), who, query, now=wiring.clock().now())
