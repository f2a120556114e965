"""Health for load balancers and monitors: does the process live, can it serve, is everything well?"""

from agnes import wiring
from agnes.edge import Function, Needs, endpoint
from agnes.health import checks, installation
from agnes.kernel.principal import Principal
from agnes.state import names, packaged

app = Function("ops-get_health")


def _tried() -> checks.Checks:
    every = wiring.settings().seconds_between
    return checks.tried(wiring.state(), wiring.store(), packaged(), wiring.clock(), every_seconds=every)


@app.route("/api/health/live", methods=["GET"])
@endpoint(needs=Needs.PUBLIC)
def get_live(_who: Principal | None) -> installation.Live:
    """Say that the process answers; it looks at nothing else, since a restart fixes nothing else."""
    return installation.Live()


@app.route("/api/health/ready", methods=["GET"])
@endpoint(needs=Needs.PUBLIC)
def get_ready(_who: Principal | None) -> installation.Ready:
    """Say whether people can be served: 503 `not_ready` if not; at most 10 seconds old."""
    found = _tried()
    if found.not_ready:
        raise installation.NotReady(f"people cannot be served: {', '.join(found.not_ready)}")
    return installation.Ready("degraded" if found.failing else "ok", found.failing)


@app.route("/api/health", methods=["GET"])
@endpoint(needs=Needs.PUBLIC)
def get_health(_who: Principal | None) -> installation.Health:
    """Say what works and what does not; always 200, and at most 10 seconds old."""
    found = _tried()
    return installation.health(wiring.store(), packaged(), failing=found.failing, not_ready=found.not_ready)


@app.route("/api/health/detailed", methods=["GET"])
@endpoint(needs=Needs.ADMIN, reads=names())
def get_health_detailed(_who: Principal) -> installation.Detailed:
    """Try the store and each state file; list their schemas and the jobs with their last runs."""
    found = checks.tried(wiring.state(), wiring.store(), packaged(), wiring.clock())
    return installation.detailed(wiring.store(), packaged(), wiring.clock(), probed=found.store, failing=found.files)
