"""The marketplace page."""

from agnes import wiring
from agnes.browse import service
from agnes.browse.listing import ItemsQuery
from agnes.browse.listing_page import ListingPage, listing_page
from agnes.edge import Function, Needs, page
from agnes.kernel.principal import Principal

app = Function("browse-page_marketplace")


@app.route("/marketplace", methods=["GET"])
@page(needs=Needs.LOGIN, query=ItemsQuery, reads=service.FILES, ahead=service.ahead)
def page_marketplace(who: Principal, query: ItemsQuery) -> ListingPage:
    """Browse what you may add to your stack."""
    return listing_page(wiring.state(), who, query, now=wiring.clock().now())
