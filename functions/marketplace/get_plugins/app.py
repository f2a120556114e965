"""List the plugins of a marketplace."""

from agnes import wiring
from agnes.edge import Function, Needs, endpoint
from agnes.kernel.principal import Principal
from agnes.marketplace import service
from agnes.marketplace.model import PluginLine

app = Function("marketplace-get_plugins")


@app.route("/api/marketplaces/{id}/plugins", methods=["GET"])
@endpoint(needs=Needs.ADMIN, reads=("marketplace",))
def get_plugins(_who: Principal, id: str) -> list[PluginLine]:
    """List what the catalog lists, served or not, by name."""
    with wiring.state().read("marketplace") as db:
        return service.plugin_lines(db, id)
