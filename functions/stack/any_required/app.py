"""Whether a grant's plugin is required."""

from agnes import wiring
from agnes.edge import Function, Needs, endpoint
from agnes.kernel.principal import Principal
from agnes.stack import service
from agnes.stack.model import RequiredFlag

app = Function("stack-any_required")


@app.route("/api/admin/grants/{grant_id}/required", methods=["POST"])
@endpoint(needs=Needs.ADMIN)
def post_required(who: Principal, grant_id: str) -> RequiredFlag:
    """Give the plugin to everybody in the group, who cannot take it off."""
    return service.set_required(wiring.state(), who, grant_id, required=True, now=wiring.clock().now())


@app.route("/api/admin/grants/{grant_id}/required", methods=["DELETE"])
@endpoint(needs=Needs.ADMIN)
def delete_required(who: Principal, grant_id: str) -> RequiredFlag:
    """Make it an offer again; those who asked for it keep it."""
    return service.set_required(wiring.state(), who, grant_id, required=False, now=wiring.clock().now())
