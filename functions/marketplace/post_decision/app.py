"""Approve or reject a version of a plugin."""

from agnes import wiring
from agnes.edge import Function, Needs, endpoint
from agnes.kernel.principal import Principal
from agnes.marketplace import review
from agnes.marketplace.review import Decision, VersionLine

app = Function("marketplace-post_decision")


@app.route("/api/marketplaces/{id}/plugins/{plugin}/versions/{version}/decision", methods=["POST"])
@endpoint(needs=Needs.ADMIN, body=Decision)
def post_decision(who: Principal, id: str, plugin: str, version: str, body: Decision) -> list[VersionLine]:
    """Let a held version be served, or keep it back with a reason."""
    return review.decide(wiring.state(), who, (id, plugin), version, body, now=wiring.clock().now())
