"""The listing's API."""

from agnes import wiring
from agnes.browse import service
from agnes.browse.listing import ItemsQuery
from agnes.browse.model import Listing
from agnes.edge import Function, Needs, endpoint
from agnes.kernel.principal import Principal

app = Function("browse-get_items")


@app.route("/api/marketplace/items", methods=["GET"])
@endpoint(needs=Needs.LOGIN, query=ItemsQuery, reads=service.FILES, ahead=service.ahead)
def get_items(who: Principal, query: ItemsQuery) -> Listing:
    """List what you may see, searched, sorted and paged, with facets, tab totals and what is popular."""
    return service.listing(wiring.state(), who, query, now=wiring.clock().now())
