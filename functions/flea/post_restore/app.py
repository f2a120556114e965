"""An old version once more."""

from agnes import wiring
from agnes.edge import Function, Needs, endpoint
from agnes.flea import submitting
from agnes.kernel.principal import Principal
from agnes.stack import entity_listing
from agnes.stack.entity_listing import EntityLine

app = Function("flea-post_restore")


@app.route("/api/store/entities/{entity_id}/versions/{n}/restore", methods=["POST"])
@endpoint(needs=Needs.LOGIN)
def post_restore(who: Principal, entity_id: str, n: str) -> EntityLine:
    """Offer an old version once more; it is checked by the rules of today."""
    number = int(n) if n.isascii() and n.isdigit() and len(n) < 10 else 0
    return entity_listing.line_of(wiring.state(), submitting.restore(wiring.market(), who, entity_id, number))
