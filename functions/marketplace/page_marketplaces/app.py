"""The admin's page of all marketplaces, and its form."""

from agnes import wiring
from agnes.edge import Function, Needs, Redirect, Reply, page
from agnes.kernel.errors import AgnesError
from agnes.kernel.principal import Principal
from agnes.marketplace import administration
from agnes.marketplace.administration import Desk, MarketplacesPage, Problem, Said
from agnes.marketplace.model import NewMarketplace

app = Function("marketplace-page_marketplaces")


@app.route("/admin/marketplaces", methods=["GET"])
@page(needs=Needs.ADMIN, query=Said)
def page_marketplaces(_who: Principal, query: Said) -> MarketplacesPage:
    """Show every marketplace and how it stands."""
    return administration.marketplaces_page(wiring.state(), query.said)


@app.route("/admin/marketplaces", methods=["POST"])
@page(needs=Needs.ADMIN, body=NewMarketplace)
def post_marketplaces(who: Principal, body: NewMarketplace) -> Reply | MarketplacesPage:
    """Register a marketplace and show it, or say why not."""
    settings = wiring.settings()
    desk = Desk(wiring.state(), wiring.secrets(), wiring.clock(), settings.agnes_git_allow)
    try:
        return Redirect(settings.base_path + administration.register(desk, who, body))
    except AgnesError as refused:
        return administration.marketplaces_page(wiring.state(), problem=Problem.of(refused), given=body)
