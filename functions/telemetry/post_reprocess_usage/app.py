"""Have every session extracted again."""

from agnes import wiring
from agnes.edge import Function, Needs, endpoint
from agnes.kernel.principal import Principal
from agnes.telemetry.extraction import upkeep

app = Function("telemetry-post_reprocess_usage")


@app.route("/api/admin/usage/reprocess", methods=["POST"])
@app.route("/api/admin/telemetry/reprocess", methods=["POST"])
@endpoint(needs=Needs.ADMIN)
def post_reprocess_usage(_who: Principal) -> upkeep.Reprocessing:
    """Extract the whole history again in the background; figures are never empty meanwhile."""
    return upkeep.reprocess(wiring.state(), clock=wiring.clock())
