"""Take what one shares off the market, and bring it back."""

from agnes import wiring
from agnes.edge import Function, Needs, endpoint
from agnes.flea import owning
from agnes.kernel.principal import Principal
from agnes.stack import entity_listing
from agnes.stack.entity_listing import EntityLine

app = Function("flea-any_archive")
PATH = "/api/store/entities/{entity_id}/archive"


@app.route(PATH, methods=["POST"])
@endpoint(needs=Needs.LOGIN)
def post_archive(who: Principal, entity_id: str) -> EntityLine:
    """End new installs; who has it keeps it."""
    return entity_listing.line_of(wiring.state(), owning.archive(wiring.market(), who, entity_id))


@app.route(PATH, methods=["DELETE"])
@endpoint(needs=Needs.LOGIN)
def delete_archive(who: Principal, entity_id: str) -> EntityLine:
    """Offer it again."""
    return entity_listing.line_of(wiring.state(), owning.unarchive(wiring.market(), who, entity_id))
