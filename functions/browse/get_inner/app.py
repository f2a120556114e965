"""The API of a skill or an agent inside a curated plugin."""

from typing import Any

from agnes import wiring
from agnes.browse import service
from agnes.browse.answers import inner_answer
from agnes.edge import Function, Needs, endpoint
from agnes.kernel.principal import Principal

app = Function("browse-get_inner")


@app.route("/api/marketplace/curated/{slug}/{plugin}/skill/{name}", methods=["GET"])
@endpoint(needs=Needs.LOGIN, reads=service.FILES, ahead=service.ahead)
def get_skill(who: Principal, slug: str, plugin: str, name: str) -> dict[str, Any]:
    """Describe a skill of a plugin."""
    return _described(who, slug, plugin, "skill", name)


@app.route("/api/marketplace/curated/{slug}/{plugin}/agent/{name}", methods=["GET"])
@endpoint(needs=Needs.LOGIN, reads=service.FILES, ahead=service.ahead)
def get_agent(who: Principal, slug: str, plugin: str, name: str) -> dict[str, Any]:
    """Describe an agent of a plugin."""
    return _described(who, slug, plugin, "agent", name)


def _described(who: Principal, slug: str, plugin: str, kind: str, name: str) -> dict[str, Any]:
    today = wiring.clock().now().date()
    found = service.inner_detail(
        wiring.state(), wiring.store(), who, marketplace_id=slug, plugin=plugin, kind=kind, name=name, today=today
    )
    return inner_answer(found, wiring.settings().base_path)
