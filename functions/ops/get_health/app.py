"""Is everything well? For load balancers and monitors."""

from agnes import wiring
from agnes.edge import Function, Needs, endpoint
from agnes.kernel.principal import Principal
from agnes.ops import health
from agnes.state import packaged

app = Function("ops-get_health")


@app.route("/api/health", methods=["GET"])
@endpoint(needs=Needs.PUBLIC)
def get_health(_who: Principal | None) -> health.Health:
    """Say whether the state can be read; always 200."""
    return health.health(wiring.store(), packaged())
