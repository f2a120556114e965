"""Values that events have."""

from agnes import wiring
from agnes.edge import Function, Needs, endpoint
from agnes.kernel.principal import Principal
from agnes.telemetry.usage import explore

app = Function("telemetry-get_usage_facets")


@app.route("/api/admin/usage/facets", methods=["GET"])
@app.route("/api/admin/telemetry/facets", methods=["GET"])
@endpoint(needs=Needs.ADMIN, query=explore.EventsFilter, reads=("telemetry",))
def get_usage_facets(who: Principal, query: explore.EventsFilter) -> explore.Facets:
    """List the values that events have, the most frequent first."""
    return explore.facets(wiring.state(), wiring.store(), who, query, now=wiring.clock().now())
