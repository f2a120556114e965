"""Events or groups of them."""

from agnes import wiring
from agnes.edge import Function, Needs, endpoint
from agnes.kernel.principal import Principal
from agnes.telemetry.usage import explore

app = Function("telemetry-get_usage_query")


@app.route("/api/admin/usage/query", methods=["GET"])
@app.route("/api/admin/telemetry/query", methods=["GET"])
@endpoint(needs=Needs.ADMIN, query=explore.EventsQuery, reads=("telemetry",))
def get_usage_query(who: Principal, query: explore.EventsQuery) -> explore.Page:
    """List events, or groups of them with their calls, people, errors, tokens and cost."""
    return explore.query(wiring.state(), wiring.store(), who, query, now=wiring.clock().now())
