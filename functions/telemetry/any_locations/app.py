"""List the drop locations; add one."""

from agnes import wiring
from agnes.edge import Function, Needs, endpoint
from agnes.kernel.principal import Principal
from agnes.telemetry.collecting import locations
from agnes.telemetry.collecting.model import FILE, Location, NewLocation

app = Function("telemetry-any_locations")


@app.route("/api/admin/usage/locations", methods=["GET"])
@app.route("/api/admin/telemetry/locations", methods=["GET"])
@endpoint(needs=Needs.ADMIN)
def get_locations(_who: Principal) -> list[Location]:
    """List where transcripts are collected from; credentials are not told."""
    with wiring.state().read(FILE) as db:
        return locations.locations(db)


@app.route("/api/admin/usage/locations", methods=["POST"])
@app.route("/api/admin/telemetry/locations", methods=["POST"])
@endpoint(needs=Needs.ADMIN, body=NewLocation, status=201)
def post_location(who: Principal, body: NewLocation) -> Location:
    """Add a drop location; the next run of the collector goes there."""
    return locations.add(wiring.state(), who, body, secrets=wiring.secrets(), clock=wiring.clock())
