"""The kill switch: block content by its hash; unblock it."""

from agnes import wiring
from agnes.edge import Function, Needs, endpoint
from agnes.kernel.principal import Principal
from agnes.marketplace import blocking
from agnes.marketplace.blocking import BlockedTree, BlockReason

app = Function("feed-any_blocked_tree")


@app.route("/api/admin/blocked-trees/{tree_id}", methods=["POST"])
@endpoint(needs=Needs.ADMIN, body=BlockReason)
def post_blocked_tree(who: Principal, tree_id: str, body: BlockReason) -> BlockedTree:
    """Take this content out of every feed at once."""
    return blocking.block(wiring.state(), who, tree_id, body.reason, now=wiring.clock().now())


@app.route("/api/admin/blocked-trees/{tree_id}", methods=["DELETE"])
@endpoint(needs=Needs.ADMIN, status=204)
def delete_blocked_tree(who: Principal, tree_id: str) -> None:
    """Let it be served again."""
    blocking.unblock(wiring.state(), who, tree_id, now=wiring.clock().now())
