"""The review of a version: what it changes, and the decision."""

from agnes import wiring
from agnes.admin import marketplace_pages
from agnes.admin.marketplace_pages import AdminContext, DecisionForm, ReviewPage
from agnes.edge import Done, Function, Needs, form, page
from agnes.kernel.principal import Principal

app = Function("admin-page_review")


@app.route("/admin/marketplaces/{id}/plugins/{plugin}/versions/{version}", methods=["GET"])
@page(needs=Needs.ADMIN, reads=("marketplace",))
def page_review(_who: Principal, id: str, plugin: str, version: str) -> ReviewPage:
    """Show its files and capabilities against the version that is served."""
    return marketplace_pages.review_page(wiring.state(), wiring.store(), (id, plugin, version))


@app.route("/admin/marketplaces/{id}/plugins/{plugin}/versions/{version}", methods=["POST"])
@form(needs=Needs.ADMIN, body=DecisionForm, page=page_review)
def post_review(who: Principal, id: str, plugin: str, version: str, body: DecisionForm) -> Done:
    """Approve or reject it."""
    context = AdminContext(wiring.state(), wiring.secrets(), wiring.clock(), wiring.settings().outbound_allow("git"))
    return Done(*marketplace_pages.decide(context, who, (id, plugin, version), body))
