"""What plugins cost by being loaded, and who has them without using them."""

from agnes import wiring
from agnes.edge import Function, Needs, endpoint
from agnes.kernel.principal import Principal
from agnes.telemetry.usage import standing

app = Function("telemetry-get_usage_unused")


@app.route("/api/admin/usage/unused", methods=["GET"])
@app.route("/api/admin/telemetry/unused", methods=["GET"])
@endpoint(needs=Needs.ADMIN, reads=standing.FILES)
def get_usage_unused(who: Principal) -> standing.OrganisationStanding:
    """Every plugin in a stack, of 30 days: sessions, standing tokens, cost, uses, and who has it without using it."""
    return standing.organisation(wiring.state(), wiring.store(), who, now=wiring.clock().now())
