"""Health in detail."""

from agnes import wiring
from agnes.edge import Function, Needs, endpoint
from agnes.kernel.principal import Principal
from agnes.ops import health
from agnes.state import packaged

app = Function("ops-get_health_detailed")


@app.route("/api/health/detailed", methods=["GET"])
@endpoint(needs=Needs.ADMIN)
def get_health_detailed(_who: Principal) -> health.Detailed:
    """Probe the store; list the state files with their schemas and the jobs with their last runs."""
    return health.detailed(wiring.store(), packaged(), wiring.clock())
