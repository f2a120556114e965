"""One marketplace: plugins, what waits for review, sync history, rules."""

from agnes import wiring
from agnes.admin import marketplace_pages
from agnes.admin.marketplace_pages import AdminContext, MarketplaceForm, MarketplacePage
from agnes.admin.paging import SearchQuery
from agnes.edge import Done, Function, Needs, form, page
from agnes.kernel.principal import Principal

app = Function("admin-page_marketplace")


@app.route("/admin/marketplaces/{id}", methods=["GET"])
@page(needs=Needs.ADMIN, query=SearchQuery, reads=marketplace_pages.CATALOGUE_FILES)
def page_marketplace(_who: Principal, id: str, query: SearchQuery) -> MarketplacePage:
    """Show its plugins, what waits for review, and its sync history."""
    return marketplace_pages.marketplace_page(wiring.state(), id, query, now=wiring.clock().now())


@app.route("/admin/marketplaces/{id}", methods=["POST"])
@form(needs=Needs.ADMIN, body=MarketplaceForm, page=page_marketplace)
def post_marketplace(who: Principal, id: str, body: MarketplaceForm) -> Done:
    """Change or remove it."""
    context = AdminContext(wiring.state(), wiring.secrets(), wiring.clock(), wiring.settings().outbound_allow("git"))
    return Done(*marketplace_pages.change(context, who, id, body))
