"""Health in detail."""

from agnes import wiring
from agnes.edge import Function, Needs, endpoint
from agnes.health import checks, installation
from agnes.kernel.principal import Principal
from agnes.state import names, packaged

app = Function("ops-get_health_detailed")


@app.route("/api/health/detailed", methods=["GET"])
@endpoint(needs=Needs.ADMIN, reads=names())
def get_health_detailed(_who: Principal) -> installation.Detailed:
    """Try the store and each state file; list their schemas and the jobs with their last runs."""
    found = checks.tried(wiring.state(), wiring.store(), packaged(), wiring.clock())
    return installation.detailed(wiring.store(), packaged(), wiring.clock(), probed=found.store, failing=found.files)
