"""Add a flea entity to one's stack; take it off."""

from agnes import wiring
from agnes.edge import Function, Needs, endpoint
from agnes.kernel.principal import Principal
from agnes.stack import service
from agnes.stack.model import EntityInstalled

app = Function("stack-any_entity_install")


@app.route("/api/store/entities/{entity_id}/install", methods=["POST"])
@endpoint(needs=Needs.LOGIN, reads=("flea",))
def post_entity_install(who: Principal, entity_id: str) -> EntityInstalled:
    """Add an approved entity of the flea market."""
    return service.install_entity(wiring.state(), who, entity_id, now=wiring.clock().now())


@app.route("/api/store/entities/{entity_id}/install", methods=["DELETE"])
@endpoint(needs=Needs.LOGIN, reads=("flea",))
def delete_entity_install(who: Principal, entity_id: str) -> EntityInstalled:
    """Take an entity off, whatever became of it."""
    return service.uninstall_entity(wiring.state(), who, entity_id, now=wiring.clock().now())
