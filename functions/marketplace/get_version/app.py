"""What a version of a plugin would change."""

from agnes import wiring
from agnes.edge import Function, Needs, endpoint
from agnes.kernel.principal import Principal
from agnes.marketplace import review
from agnes.marketplace.review import Review

app = Function("marketplace-get_version")


@app.route("/api/marketplaces/{id}/plugins/{plugin}/versions/{version}", methods=["GET"])
@endpoint(needs=Needs.ADMIN, reads=("marketplace",))
def get_version(_who: Principal, id: str, plugin: str, version: str) -> Review:
    """Show its files and its capabilities against the version that is served."""
    return review.review(wiring.state(), wiring.store(), id, plugin, version)
