"""What became of one export of usage events; cancel or remove it."""

from agnes import wiring
from agnes.edge import Function, Needs, endpoint
from agnes.kernel.principal import Principal
from agnes.telemetry.lake import exports

app = Function("telemetry-any_export")


@app.route("/api/admin/usage/exports/{id}", methods=["GET"])
@app.route("/api/admin/telemetry/exports/{id}", methods=["GET"])
@endpoint(needs=Needs.ADMIN)
def get_export(_who: Principal, id: str) -> exports.Export:
    """Show how far an export is, and its files once it is `done`."""
    return exports.get(wiring.store(), id, now=wiring.clock().now())


@app.route("/api/admin/usage/exports/{id}", methods=["DELETE"])
@app.route("/api/admin/telemetry/exports/{id}", methods=["DELETE"])
@endpoint(needs=Needs.ADMIN, status=204)
def delete_export(_who: Principal, id: str) -> None:
    """Cancel an export, or remove its files before their day is over."""
    exports.cancel(wiring.state(), wiring.store(), id)
