"""The versions of a plugin."""

from agnes import wiring
from agnes.edge import Function, Needs, endpoint
from agnes.kernel.principal import Principal
from agnes.marketplace import review
from agnes.marketplace.review import VersionLine

app = Function("marketplace-get_versions")


@app.route("/api/marketplaces/{id}/plugins/{plugin}/versions", methods=["GET"])
@endpoint(needs=Needs.ADMIN, reads=("marketplace",))
def get_versions(_who: Principal, id: str, plugin: str) -> list[VersionLine]:
    """List every version that a sync read, newest first, with what was decided about it."""
    with wiring.state().read("marketplace") as db:
        return review.lines(db, id, plugin)
