"""The API of a flea entity, and of a skill or an agent inside a flea plugin."""

from typing import Any

from agnes import wiring
from agnes.browse import service
from agnes.browse.answers import inner_answer, plugin_answer
from agnes.edge import Function, Needs, endpoint
from agnes.kernel.principal import Principal

app = Function("browse-get_flea")


@app.route("/api/marketplace/flea/{entity_id}/detail", methods=["GET"])
@endpoint(needs=Needs.LOGIN, reads=service.FILES, ahead=service.ahead)
def get_entity(who: Principal, entity_id: str) -> dict[str, Any]:
    """Describe what somebody shared: what is inside, what it does, whose it is, how it is used."""
    today = wiring.clock().now().date()
    found = service.entity_detail(wiring.state(), wiring.store(), who, entity_id, today=today)
    return plugin_answer(found, wiring.settings().base_path)


@app.route("/api/marketplace/flea/{entity_id}/skill/{name}", methods=["GET"])
@endpoint(needs=Needs.LOGIN, reads=service.FILES, ahead=service.ahead)
def get_skill(who: Principal, entity_id: str, name: str) -> dict[str, Any]:
    """Describe a skill of a flea plugin."""
    return _described(who, entity_id, "skill", name)


@app.route("/api/marketplace/flea/{entity_id}/agent/{name}", methods=["GET"])
@endpoint(needs=Needs.LOGIN, reads=service.FILES, ahead=service.ahead)
def get_agent(who: Principal, entity_id: str, name: str) -> dict[str, Any]:
    """Describe an agent of a flea plugin."""
    return _described(who, entity_id, "agent", name)


def _described(who: Principal, entity_id: str, kind: str, name: str) -> dict[str, Any]:
    today = wiring.clock().now().date()
    found = service.entity_inner_detail(
        wiring.state(), wiring.store(), who, entity_id=entity_id, kind=kind, name=name, today=today
    )
    return inner_answer(found, wiring.settings().base_path)
