"""List the exports of usage events; start one."""

from agnes import wiring
from agnes.edge import Function, Needs, endpoint
from agnes.kernel.principal import Principal
from agnes.telemetry.lake import exports

app = Function("telemetry-any_exports")


@app.route("/api/admin/usage/exports", methods=["GET"])
@app.route("/api/admin/telemetry/exports", methods=["GET"])
@endpoint(needs=Needs.ADMIN)
def get_exports(_who: Principal) -> list[exports.Export]:
    """List the exports of the last day, the newest first."""
    return exports.exports(wiring.store(), now=wiring.clock().now())


@app.route("/api/admin/usage/exports", methods=["POST"])
@app.route("/api/admin/telemetry/exports", methods=["POST"])
@endpoint(needs=Needs.ADMIN, body=exports.ExportCreate, status=202)
def post_export(who: Principal, body: exports.ExportCreate) -> exports.Export:
    """Export usage events of any size in the background; ask for the export's status until it is `done`."""
    return exports.start(wiring.state(), wiring.store(), wiring.queue(), who, body, clock=wiring.clock())
