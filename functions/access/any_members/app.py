"""Put people into a group and take them out."""

from pydantic import BaseModel, ConfigDict

from agnes import wiring
from agnes.access import groups
from agnes.access.model import Member
from agnes.edge import Function, Needs, endpoint
from agnes.kernel.principal import Principal

app = Function("access-any_members")


class MemberCreate(BaseModel):
    model_config = ConfigDict(extra="forbid")

    email: str


@app.route("/api/admin/groups/{group_id}/members", methods=["POST"])
@endpoint(needs=Needs.ADMIN, body=MemberCreate, status=201)
def post_members(who: Principal, group_id: str, body: MemberCreate) -> Member:
    """Add an account to a group."""
    return groups.add_member_by_email(wiring.state(), who, group_id, email=body.email, now=wiring.clock().now())


@app.route("/api/admin/groups/{group_id}/members/{user_id}", methods=["DELETE"])
@endpoint(needs=Needs.ADMIN)
def delete_member(who: Principal, group_id: str, user_id: str) -> None:
    """Take an account out of a group."""
    groups.remove_member(wiring.state(), who, group_id, user_id, now=wiring.clock().now())
