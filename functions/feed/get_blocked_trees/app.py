"""What the kill switch blocks."""

from agnes import wiring
from agnes.edge import Function, Needs, endpoint
from agnes.kernel.principal import Principal
from agnes.marketplace import blocking
from agnes.marketplace.blocking import BlockedTree

app = Function("feed-get_blocked_trees")


@app.route("/api/admin/blocked-trees", methods=["GET"])
@endpoint(needs=Needs.ADMIN, reads=("marketplace",))
def get_blocked_trees(_who: Principal) -> list[BlockedTree]:
    """List blocked content, newest first, with the plugins that hold it."""
    with wiring.state().read("marketplace") as db:
        return blocking.blocked(db)
