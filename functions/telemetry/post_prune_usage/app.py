"""Let old usage events and transcripts go now."""

from agnes import wiring
from agnes.edge import Function, Needs, endpoint
from agnes.edge.job import RunQuery
from agnes.kernel.principal import Principal
from agnes.telemetry.extraction import upkeep

app = Function("telemetry-post_prune_usage")


@app.route("/api/admin/usage/prune", methods=["POST"])
@app.route("/api/admin/telemetry/prune", methods=["POST"])
@endpoint(needs=Needs.OPERATOR, query=RunQuery)
def post_prune_usage(_who: Principal, query: RunQuery) -> upkeep.Pruned:
    """Forget the events and the transcripts that their settings do not keep; figures stay."""
    return upkeep.prune_all(
        wiring.state(),
        wiring.store(),
        clock=wiring.clock(),
        events_days=wiring.settings().usage_events_retention_days,
        transcripts_days=wiring.settings().usage_transcripts_retention_days,
        dry_run=query.dry_run,
    )
