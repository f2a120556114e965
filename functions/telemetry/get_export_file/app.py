"""A file of an export of usage events, by presigned URL."""

from agnes import wiring
from agnes.edge import Function, Needs, Redirect, Reply, endpoint
from agnes.kernel.principal import Principal
from agnes.telemetry.lake import exports

app = Function("telemetry-get_export_file")


@app.route("/api/admin/usage/exports/{id}/files/{part}", methods=["GET"])
@app.route("/api/admin/telemetry/exports/{id}/files/{part}", methods=["GET"])
@endpoint(needs=Needs.ADMIN, reads=("telemetry",))
def get_export_file(_who: Principal, id: str, part: str) -> Reply:
    """Redirect to a file of an export that is `done`; nearly all have one file, number 1."""
    number = int(part) if part.isdecimal() and len(part) < 6 else 0
    return Redirect(exports.file_url(wiring.state(), wiring.store(), id, number), status=302)
