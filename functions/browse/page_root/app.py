"""The address without a path leads to the marketplace."""

from agnes import wiring
from agnes.edge import Function, Needs, Redirect, Reply, page

app = Function("browse-page_root")


@app.route("/", methods=["GET"])
@page(needs=Needs.PUBLIC)
def page_root(who: object) -> Reply:  # noqa: ARG001 (the marketplace asks who it is)
    """Go to the marketplace."""
    return Redirect(f"{wiring.settings().base_path}/marketplace", status=302)
