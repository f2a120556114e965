"""What one's own plugins cost by being loaded, and which are never used."""

from agnes import wiring
from agnes.edge import Function, Needs, endpoint
from agnes.kernel.principal import Principal
from agnes.telemetry.usage import standing

app = Function("telemetry-get_my_unused")


@app.route("/api/me/stats/unused", methods=["GET"])
@endpoint(needs=Needs.LOGIN, reads=standing.FILES)
def get_my_unused(who: Principal) -> standing.MyStanding:
    """The plugins of your stack of 30 days: sessions, standing tokens, cost, uses; those without a use first."""
    return standing.mine(wiring.state(), wiring.store(), who, now=wiring.clock().now())
