"""Grant a resource to a group and take it back."""

from pydantic import BaseModel, ConfigDict

from agnes import wiring
from agnes.access import grants
from agnes.access.model import Grant
from agnes.edge import Function, Needs, endpoint
from agnes.kernel.principal import Principal
from agnes.marketplace import granting

app = Function("access-any_grants")


class GrantWish(BaseModel):
    model_config = ConfigDict(extra="forbid")

    group_id: str
    resource_type: str
    resource_id: str


@app.route("/api/admin/grants", methods=["POST"])
@endpoint(needs=Needs.ADMIN, body=GrantWish, status=201)
def post_grants(who: Principal, body: GrantWish) -> Grant:
    """Grant a resource to a group."""
    return grants.create(wiring.state(), who, **body.model_dump(), now=wiring.clock().now())


@app.route("/api/admin/grants/{grant_id}", methods=["DELETE"])
@endpoint(needs=Needs.ADMIN)
def delete_grant(who: Principal, grant_id: str) -> None:
    """Take a grant back."""
    granting.revoke(wiring.state(), who, grant_id)
