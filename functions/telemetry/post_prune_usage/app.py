"""Let old usage events go now."""

from agnes import wiring
from agnes.edge import Function, Needs, endpoint
from agnes.kernel.principal import Principal
from agnes.telemetry import upkeep

app = Function("telemetry-post_prune_usage")


@app.route("/api/admin/usage/prune", methods=["POST"])
@app.route("/api/admin/telemetry/prune", methods=["POST"])
@endpoint(needs=Needs.OPERATOR)
def post_prune_usage(_who: Principal) -> upkeep.Pruned:
    """Forget the events that USAGE_EVENTS_RETENTION_DAYS does not keep; figures stay."""
    days = wiring.settings().usage_events_retention_days
    return upkeep.prune(wiring.state(), clock=wiring.clock(), retention_days=days)
