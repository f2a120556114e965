"""List the grants."""

from pydantic import BaseModel, ConfigDict

from agnes import wiring
from agnes.access import service
from agnes.access.model import Grant
from agnes.edge import Function, Needs, endpoint
from agnes.kernel.principal import Principal

app = Function("access-get_grants")


class GrantsQuery(BaseModel):
    model_config = ConfigDict(extra="forbid")

    resource_type: str | None = None
    group_id: str | None = None


@app.route("/api/admin/grants", methods=["GET"])
@endpoint(needs=Needs.ADMIN, query=GrantsQuery)
def get_grants(_who: Principal, query: GrantsQuery) -> list[Grant]:
    """List grants, by resource."""
    with wiring.state().read("people") as db:
        return service.grants(db, resource_type=query.resource_type, group_id=query.group_id)
