"""Look at a drop location, before it is saved or afterwards."""

from agnes import wiring
from agnes.edge import Function, Needs, endpoint
from agnes.kernel.principal import Principal
from agnes.telemetry.collecting import locations
from agnes.telemetry.collecting.looking import Tested, look
from agnes.telemetry.collecting.model import FILE, NewLocation

app = Function("telemetry-post_location_test")


@app.route("/api/admin/usage/locations/test", methods=["POST"])
@app.route("/api/admin/telemetry/locations/test", methods=["POST"])
@endpoint(needs=Needs.ADMIN, body=NewLocation)
def post_test(who: Principal, body: NewLocation) -> Tested:
    """Show the host key of a location that is not saved yet, or, with it, what lies there and whose it is."""
    asked, credential = locations.proposed(who, body, clock=wiring.clock())
    with wiring.state().read("people") as db:
        return look(wiring.drops(), db, asked, credential)


@app.route("/api/admin/usage/locations/{id}/test", methods=["POST"])
@app.route("/api/admin/telemetry/locations/{id}/test", methods=["POST"])
@endpoint(needs=Needs.ADMIN)
def post_saved_test(_who: Principal, id: str) -> Tested:
    """Show what lies at a saved location and whose it is; nothing is fetched."""
    with wiring.state().read("people", FILE) as db:
        kept = locations.get_kept(db, id)
        return look(wiring.drops(), db, kept.location, kept.credential(wiring.secrets()))
