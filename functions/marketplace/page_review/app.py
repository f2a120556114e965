"""The review of a version: what it changes, and the decision."""

from agnes import wiring
from agnes.edge import Function, Needs, Redirect, Reply, page
from agnes.kernel.errors import AgnesError
from agnes.kernel.principal import Principal
from agnes.marketplace import administration
from agnes.marketplace.administration import DecisionForm, Desk, Problem, ReviewPage, Said

app = Function("marketplace-page_review")


@app.route("/admin/marketplaces/{id}/plugins/{plugin}/versions/{version}", methods=["GET"])
@page(needs=Needs.ADMIN, query=Said)
def page_review(_who: Principal, id: str, plugin: str, version: str, query: Said) -> ReviewPage:
    """Show its files and capabilities against the version that is served."""
    return administration.review_page(wiring.state(), wiring.store(), (id, plugin, version), query.said)


@app.route("/admin/marketplaces/{id}/plugins/{plugin}/versions/{version}", methods=["POST"])
@page(needs=Needs.ADMIN, body=DecisionForm)
def post_review(who: Principal, id: str, plugin: str, version: str, body: DecisionForm) -> Reply | ReviewPage:
    """Approve or reject it."""
    settings, of = wiring.settings(), (id, plugin, version)
    desk = Desk(wiring.state(), wiring.secrets(), wiring.clock(), settings.agnes_git_allow)
    try:
        return Redirect(settings.base_path + administration.decide(desk, who, of, body))
    except AgnesError as refused:
        return administration.review_page(wiring.state(), wiring.store(), of, problem=Problem.of(refused))
