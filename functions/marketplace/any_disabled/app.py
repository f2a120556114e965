"""Take one plugin out of every feed, or give it back."""

from agnes import wiring
from agnes.edge import Function, Needs, endpoint
from agnes.kernel.principal import Principal
from agnes.marketplace import service
from agnes.marketplace.model import DisabledFlag

app = Function("marketplace-any_disabled")


@app.route("/api/marketplaces/{id}/plugins/{plugin}/disabled", methods=["POST"])
@endpoint(needs=Needs.ADMIN)
def post_disabled(who: Principal, id: str, plugin: str) -> DisabledFlag:
    """Disable it for everybody, whatever later syncs bring."""
    return service.set_disabled(wiring.state(), who, id, plugin, disabled=True)


@app.route("/api/marketplaces/{id}/plugins/{plugin}/disabled", methods=["DELETE"])
@endpoint(needs=Needs.ADMIN)
def delete_disabled(who: Principal, id: str, plugin: str) -> DisabledFlag:
    """Enable it again, for those who had it."""
    return service.set_disabled(wiring.state(), who, id, plugin, disabled=False)
