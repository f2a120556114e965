"""Give a plugin to everybody, or stop doing so."""

from agnes import wiring
from agnes.edge import Function, Needs, endpoint
from agnes.kernel.principal import Principal
from agnes.marketplace import service
from agnes.marketplace.model import SystemFlag

app = Function("marketplace-any_system")


@app.route("/api/marketplaces/{id}/plugins/{plugin}/system", methods=["POST"])
@endpoint(needs=Needs.ADMIN)
def post_system(who: Principal, id: str, plugin: str) -> SystemFlag:
    """Make it a system plugin: everybody has it and nobody can remove it."""
    return service.set_system(wiring.state(), who, id, plugin, is_system=True)


@app.route("/api/marketplaces/{id}/plugins/{plugin}/system", methods=["DELETE"])
@endpoint(needs=Needs.ADMIN)
def delete_system(who: Principal, id: str, plugin: str) -> SystemFlag:
    """Make it an ordinary plugin again."""
    return service.set_system(wiring.state(), who, id, plugin, is_system=False)
