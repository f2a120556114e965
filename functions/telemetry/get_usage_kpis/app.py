"""Key figures of the events that pass a filter."""

from agnes import wiring
from agnes.edge import Function, Needs, endpoint
from agnes.kernel.principal import Principal
from agnes.telemetry.usage import explore

app = Function("telemetry-get_usage_kpis")


@app.route("/api/admin/usage/kpis", methods=["GET"])
@app.route("/api/admin/telemetry/kpis", methods=["GET"])
@endpoint(needs=Needs.ADMIN, query=explore.EventsFilter, reads=("telemetry",))
def get_usage_kpis(who: Principal, query: explore.EventsFilter) -> explore.Kpis:
    """Count the events that pass a filter."""
    return explore.kpis(wiring.state(), wiring.store(), who, query, now=wiring.clock().now())
