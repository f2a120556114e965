"""A curated plugin's API."""

from agnes import wiring
from agnes.browse import queries, service
from agnes.browse.answers import plugin_answer
from agnes.edge import Function, Needs, endpoint
from agnes.kernel.principal import Principal

app = Function("browse-get_curated_plugin")


@app.route("/api/marketplace/curated/{slug}/{plugin}", methods=["GET"])
@endpoint(needs=Needs.LOGIN)
def get_curated_plugin(who: Principal, slug: str, plugin: str) -> dict:
    """Describe a plugin: what is inside, who curates it, how it is used."""
    with wiring.state().read(*queries.FILES) as db:
        today = wiring.clock().now().date()
        return plugin_answer(service.plugin_detail(db, wiring.store(), who, slug, plugin, today=today))
