"""The address without a path leads to the home page."""

from agnes import wiring
from agnes.edge import Function, Needs, Redirect, Reply, page

app = Function("browse-page_root")


@app.route("/", methods=["GET"])
@page(needs=Needs.PUBLIC)
def page_root(who: object) -> Reply:  # noqa: ARG001 (the marketplace asks who it is)
    """Go to the home page."""
    return Redirect(wiring.settings().base_path + wiring.config().agnes_home_route, status=302)
