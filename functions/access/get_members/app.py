"""Who is in a group."""

from agnes import wiring
from agnes.access import service
from agnes.access.model import Member
from agnes.edge import Function, Needs, endpoint
from agnes.kernel.principal import Principal

app = Function("access-get_members")


@app.route("/api/admin/groups/{group_id}/members", methods=["GET"])
@endpoint(needs=Needs.ADMIN)
def get_members(_who: Principal, group_id: str) -> list[Member]:
    """List who is in a group, by e-mail."""
    with wiring.state().read("people") as db:
        return service.members(db, group_id)
