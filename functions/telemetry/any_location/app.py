"""Change a drop location; remove it."""

from agnes import wiring
from agnes.edge import Function, Needs, endpoint
from agnes.kernel.principal import Principal
from agnes.telemetry.collecting import locations
from agnes.telemetry.collecting.model import Location, LocationChange

app = Function("telemetry-any_location")


@app.route("/api/admin/usage/locations/{id}", methods=["PATCH"])
@app.route("/api/admin/telemetry/locations/{id}", methods=["PATCH"])
@endpoint(needs=Needs.ADMIN, body=LocationChange)
def patch_location(who: Principal, id: str, body: LocationChange) -> Location:
    """Change what is given of a drop location."""
    return locations.change(wiring.state(), who, id, body, secrets=wiring.secrets(), clock=wiring.clock())


@app.route("/api/admin/usage/locations/{id}", methods=["DELETE"])
@app.route("/api/admin/telemetry/locations/{id}", methods=["DELETE"])
@endpoint(needs=Needs.ADMIN, status=204)
def delete_location(who: Principal, id: str) -> None:
    """Forget a drop location and its credential; what was collected stays."""
    locations.remove(wiring.state(), who, id, secrets=wiring.secrets())
