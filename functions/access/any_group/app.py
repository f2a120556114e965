"""Create, change or delete a group."""

from pydantic import BaseModel, ConfigDict

from agnes import wiring
from agnes.access import groups
from agnes.access.model import Group
from agnes.edge import Function, Needs, endpoint
from agnes.kernel.principal import Principal

app = Function("access-any_group")


class GroupCreate(BaseModel):
    model_config = ConfigDict(extra="forbid")

    name: str
    description: str = ""


class GroupPatch(BaseModel):
    model_config = ConfigDict(extra="forbid")

    name: str | None = None
    description: str | None = None


@app.route("/api/admin/groups", methods=["POST"])
@endpoint(needs=Needs.ADMIN, body=GroupCreate, status=201)
def post_groups(who: Principal, body: GroupCreate) -> Group:
    """Create a group."""
    return groups.create(wiring.state(), who, name=body.name, description=body.description, now=wiring.clock().now())


@app.route("/api/admin/groups/{group_id}", methods=["PATCH"])
@endpoint(needs=Needs.ADMIN, body=GroupPatch)
def patch_group(who: Principal, group_id: str, body: GroupPatch) -> Group:
    """Rename or describe a group."""
    return groups.update(wiring.state(), who, group_id, name=body.name, description=body.description)


@app.route("/api/admin/groups/{group_id}", methods=["DELETE"])
@endpoint(needs=Needs.ADMIN)
def delete_group(who: Principal, group_id: str) -> None:
    """Delete a group with its memberships and grants."""
    groups.delete(wiring.state(), who, group_id)
