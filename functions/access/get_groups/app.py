"""List the groups."""

from agnes import wiring
from agnes.access import service
from agnes.access.model import Group
from agnes.edge import Function, Needs, endpoint
from agnes.kernel.principal import Principal

app = Function("access-get_groups")


@app.route("/api/admin/groups", methods=["GET"])
@endpoint(needs=Needs.ADMIN)
def get_groups(_who: Principal) -> list[Group]:
    """List the groups, system groups first."""
    with wiring.state().read("people") as db:
        return service.groups(db)


@app.route("/api/admin/groups/{group_id}", methods=["GET"])
@endpoint(needs=Needs.ADMIN)
def get_group(_who: Principal, group_id: str) -> Group:
    """One group."""
    with wiring.state().read("people") as db:
        return service.get_group(db, group_id)
