"""Roll a plugin back to an earlier version; follow its repository again."""

from agnes import wiring
from agnes.edge import Function, Needs, endpoint
from agnes.kernel.principal import Principal
from agnes.marketplace import review
from agnes.marketplace.review import Rollback, VersionLine

app = Function("marketplace-any_rollback")


@app.route("/api/marketplaces/{id}/plugins/{plugin}/rollback", methods=["POST"])
@endpoint(needs=Needs.ADMIN, body=Rollback)
def post_rollback(who: Principal, id: str, plugin: str, body: Rollback) -> list[VersionLine]:
    """Serve this version until told otherwise."""
    return review.roll_back(wiring.state(), who, (id, plugin), body.version, now=wiring.clock().now())


@app.route("/api/marketplaces/{id}/plugins/{plugin}/rollback", methods=["DELETE"])
@endpoint(needs=Needs.ADMIN)
def delete_rollback(who: Principal, id: str, plugin: str) -> list[VersionLine]:
    """Serve the newest version that may be served again."""
    return review.roll_back(wiring.state(), who, (id, plugin), None, now=wiring.clock().now())
