"""The admin's page of one marketplace, and its forms."""

from agnes import wiring
from agnes.edge import Function, Needs, Redirect, Reply, page
from agnes.kernel.errors import AgnesError
from agnes.kernel.principal import Principal
from agnes.marketplace import administration
from agnes.marketplace.administration import Desk, MarketplaceForm, MarketplacePage, Problem, Said

app = Function("marketplace-page_marketplace")


@app.route("/admin/marketplaces/{id}", methods=["GET"])
@page(needs=Needs.ADMIN, query=Said)
def page_marketplace(_who: Principal, id: str, query: Said) -> MarketplacePage:
    """Show its plugins, what waits for review, and its sync history."""
    return administration.marketplace_page(wiring.state(), id, query.said)


@app.route("/admin/marketplaces/{id}", methods=["POST"])
@page(needs=Needs.ADMIN, body=MarketplaceForm)
def post_marketplace(who: Principal, id: str, body: MarketplaceForm) -> Reply | MarketplacePage:
    """Change or remove it."""
    settings = wiring.settings()
    desk = Desk(wiring.state(), wiring.secrets(), wiring.clock(), settings.agnes_git_allow)
    try:
        return Redirect(settings.base_path + administration.change(desk, who, id, body))
    except AgnesError as refused:
        return administration.marketplace_page(wiring.state(), id, problem=Problem.of(refused))
