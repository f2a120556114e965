"""What is shared, as rows."""

from agnes import wiring
from agnes.edge import Function, Needs, endpoint
from agnes.kernel.principal import Principal
from agnes.stack import entity_listing
from agnes.stack.entity_listing import EntitiesQuery, EntityLine, EntityPage

app = Function("flea-get_entities")


@app.route("/api/store/entities", methods=["GET"])
@endpoint(needs=Needs.LOGIN, query=EntitiesQuery, reads=("flea", "stack"))
def get_entities(who: Principal, query: EntitiesQuery) -> EntityPage:
    """List what is shared with you, the newest first."""
    return entity_listing.entities(wiring.state(), who, query)


@app.route("/api/store/entities/{entity_id}", methods=["GET"])
@endpoint(needs=Needs.LOGIN, reads=("flea", "stack"))
def get_entity(who: Principal, entity_id: str) -> EntityLine:
    """Describe one entity."""
    return entity_listing.described(wiring.state(), who, entity_id)
