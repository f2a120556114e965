"""Which groups an account is in."""

from agnes import wiring
from agnes.access import service
from agnes.access.model import Membership
from agnes.edge import Function, Needs, endpoint
from agnes.kernel.principal import Principal

app = Function("access-get_memberships")


@app.route("/api/admin/users/{user_id}/memberships", methods=["GET"])
@endpoint(needs=Needs.ADMIN)
def get_memberships(_who: Principal, user_id: str) -> list[Membership]:
    """List the groups of an account, system groups first."""
    with wiring.state().read("people") as db:
        return service.memberships(db, user_id)
