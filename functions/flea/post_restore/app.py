"""An old version once more, or another owner."""

from pydantic import BaseModel, ConfigDict, Field

from agnes import wiring
from agnes.edge import Function, Needs, endpoint
from agnes.flea import owning, submitting
from agnes.kernel.principal import Principal
from agnes.stack import entity_listing
from agnes.stack.entity_listing import EntityLine

app = Function("flea-post_restore")


class Transfer(BaseModel):
    model_config = ConfigDict(extra="forbid")

    email: str = Field(max_length=254)


@app.route("/api/store/entities/{entity_id}/versions/{n}/restore", methods=["POST"])
@endpoint(needs=Needs.LOGIN)
def post_restore(who: Principal, entity_id: str, n: str) -> EntityLine:
    """Offer an old version once more; it is checked by the rules of today."""
    number = int(n) if n.isascii() and n.isdigit() and len(n) < 10 else 0
    return entity_listing.line_of(wiring.state(), submitting.restore(wiring.market(), who, entity_id, number))


@app.route("/api/store/entities/{entity_id}/transfer", methods=["POST"])
@endpoint(needs=Needs.LOGIN, body=Transfer)
def post_transfer(who: Principal, entity_id: str, body: Transfer) -> EntityLine:
    """Give it to a colleague, who answers for it from now on."""
    return entity_listing.line_of(wiring.state(), owning.transfer(wiring.market(), who, entity_id, body.email))
