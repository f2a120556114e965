"""The list of marketplaces, and the form that registers one."""

from agnes import wiring
from agnes.admin import marketplace_pages
from agnes.admin.marketplace_pages import AdminContext, MarketplacesPage, NewMarketplaceForm
from agnes.edge import Done, Function, Needs, form, page
from agnes.kernel.principal import Principal

app = Function("admin-page_marketplaces")


@app.route("/admin/marketplaces", methods=["GET"])
@page(needs=Needs.ADMIN, reads=("marketplace",))
def page_marketplaces(who: Principal) -> MarketplacesPage:
    """List marketplaces with their last sync and what waits for review."""
    return marketplace_pages.marketplaces_page(wiring.state(), who)


@app.route("/admin/marketplaces", methods=["POST"])
@form(needs=Needs.ADMIN, body=NewMarketplaceForm, page=page_marketplaces)
def post_marketplaces(who: Principal, body: NewMarketplaceForm) -> Done:
    """Register a marketplace; its first sync starts by itself."""
    context = AdminContext(wiring.state(), wiring.secrets(), wiring.clock(), wiring.settings().outbound_allow("git"))
    return Done(*marketplace_pages.register(context, wiring.queue(), who, body))
