"""A curated plugin's API."""

from typing import Any

from agnes import wiring
from agnes.browse import service
from agnes.browse.answers import plugin_answer
from agnes.edge import Function, Needs, endpoint
from agnes.kernel.principal import Principal

app = Function("browse-get_curated_plugin")


@app.route("/api/marketplace/curated/{slug}/{plugin}", methods=["GET"])
@endpoint(needs=Needs.LOGIN, reads=service.FILES, ahead=service.ahead)
def get_curated_plugin(who: Principal, slug: str, plugin: str) -> dict[str, Any]:
    """Describe a plugin: what is inside, what it does, who curates it, how it is used, what changed."""
    today = wiring.clock().now().date()
    found = service.plugin_detail(wiring.state(), wiring.store(), who, slug, plugin, today=today)
    return plugin_answer(found, wiring.settings().base_path)
