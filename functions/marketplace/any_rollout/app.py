"""Give a version of a plugin to one group first."""

from agnes import wiring
from agnes.edge import Function, Needs, endpoint
from agnes.kernel.principal import Principal
from agnes.marketplace import review
from agnes.marketplace.review import Rollout, VersionLine

app = Function("marketplace-any_rollout")


@app.route("/api/marketplaces/{id}/plugins/{plugin}/rollout", methods=["POST"])
@endpoint(needs=Needs.ADMIN, body=Rollout)
def post_rollout(who: Principal, id: str, plugin: str, body: Rollout) -> list[VersionLine]:
    """Serve it to the members of the group who have the plugin; everybody else keeps theirs."""
    return review.roll_out(wiring.state(), who, (id, plugin), body, now=wiring.clock().now())


@app.route("/api/marketplaces/{id}/plugins/{plugin}/rollout", methods=["DELETE"])
@endpoint(needs=Needs.ADMIN)
def delete_rollout(who: Principal, id: str, plugin: str) -> list[VersionLine]:
    """Serve everybody the same again."""
    return review.roll_out(wiring.state(), who, (id, plugin), None, now=wiring.clock().now())
