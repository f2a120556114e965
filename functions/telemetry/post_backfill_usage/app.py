"""Have the rollups made anew."""

from agnes import wiring
from agnes.edge import Function, Needs, endpoint
from agnes.kernel.principal import Principal
from agnes.telemetry.extraction import upkeep

app = Function("telemetry-post_backfill_usage")


@app.route("/api/admin/usage/backfill", methods=["POST"])
@app.route("/api/admin/telemetry/backfill", methods=["POST"])
@endpoint(needs=Needs.OPERATOR)
def post_backfill_usage(_who: Principal) -> upkeep.Backfilling:
    """Make the rollups of all days anew from their events, in the background; `agnes admin run telemetry.backfill`."""
    return upkeep.backfill(wiring.state(), wiring.queue())
