"""Put an account into groups and take it out."""

from pydantic import BaseModel, ConfigDict

from agnes import wiring
from agnes.access import groups
from agnes.access.model import Membership
from agnes.edge import Function, Needs, endpoint
from agnes.kernel.principal import Principal

app = Function("access-any_memberships")


class MembershipCreate(BaseModel):
    model_config = ConfigDict(extra="forbid")

    group_id: str


@app.route("/api/admin/users/{user_id}/memberships", methods=["POST"])
@endpoint(needs=Needs.ADMIN, body=MembershipCreate, status=201)
def post_memberships(who: Principal, user_id: str, body: MembershipCreate) -> Membership:
    """Add an account to a group."""
    return groups.add_membership(wiring.state(), who, user_id, group_id=body.group_id, now=wiring.clock().now())


@app.route("/api/admin/users/{user_id}/memberships/{group_id}", methods=["DELETE"])
@endpoint(needs=Needs.ADMIN)
def delete_membership(who: Principal, user_id: str, group_id: str) -> None:
    """Take an account out of a group."""
    groups.remove_member(wiring.state(), who, group_id, user_id, now=wiring.clock().now())
