"""Grant plugins, marketplaces, tables and domains of knowledge to groups, and take grants back."""

from pydantic import BaseModel, ConfigDict

from agnes import wiring
from agnes.access.model import MEMORY_DOMAIN, TABLE, Grant, GrantBatch
from agnes.edge import Function, Needs, endpoint
from agnes.kernel.principal import Principal
from agnes.knowledge import granting as domain_granting
from agnes.marketplace import granting
from agnes.tables import granting as table_granting

app = Function("access-any_grants")


class GrantCreate(BaseModel):
    model_config = ConfigDict(extra="forbid")

    group_id: str
    resource_type: str
    resource_id: str


class GrantBatchCreate(BaseModel):
    model_config = ConfigDict(extra="forbid")

    group_id: str
    plugins: list[str]


@app.route("/api/admin/grants", methods=["POST"])
@endpoint(needs=Needs.ADMIN, body=GrantCreate, status=201)
def post_grants(who: Principal, body: GrantCreate) -> Grant:
    """Grant a plugin, a whole marketplace with the plugins that it adds later, a data table, or a domain of knowledge to a group."""
    if body.resource_type == TABLE:
        return table_granting.grant(
            wiring.state(), who, group_id=body.group_id, table_id=body.resource_id, clock=wiring.clock()
        )
    if body.resource_type == MEMORY_DOMAIN:
        return domain_granting.grant(
            wiring.knowledge(), who, group_id=body.group_id, domain=body.resource_id, now=wiring.clock().now()
        )
    return granting.grant(wiring.state(), who, **body.model_dump(), now=wiring.clock().now())


@app.route("/api/admin/grants/batch", methods=["POST"])
@endpoint(needs=Needs.ADMIN, body=GrantBatchCreate, status=201)
def post_grant_batch(who: Principal, body: GrantBatchCreate) -> GrantBatch:
    """Grant several plugins to a group: all of them, or none if one does not exist."""
    return granting.grant_plugins(wiring.state(), who, **body.model_dump(), now=wiring.clock().now())


@app.route("/api/admin/grants/{grant_id}", methods=["DELETE"])
@endpoint(needs=Needs.ADMIN)
def delete_grant(who: Principal, grant_id: str) -> None:
    """Take a grant back."""
    granting.revoke(wiring.state(), who, grant_id)
