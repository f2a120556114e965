"""Row and column policies of data tables, for admins."""

from agnes import wiring
from agnes.edge import Function, Needs, endpoint
from agnes.kernel.principal import Principal
from agnes.tables import policies
from agnes.tables.model import FILE
from agnes.tables.policies import PolicyPreview, PolicyUpdate, ShownPolicy

app = Function("tables-any_policies")


@app.route("/api/tables/{table_id}/policies/preview", methods=["POST"])
@endpoint(needs=Needs.ADMIN, body=PolicyUpdate, reads=(FILE,))
def post_preview(who: Principal, table_id: str, body: PolicyUpdate) -> PolicyPreview:
    """Show what a policy would leave of a table, without setting it."""
    return policies.preview(wiring.querying(), who, table_id, body)


@app.route("/api/tables/{table_id}/policies/{group_id}", methods=["PUT"])
@endpoint(needs=Needs.ADMIN, body=PolicyUpdate)
def put_policy(who: Principal, table_id: str, group_id: str, body: PolicyUpdate) -> list[ShownPolicy]:
    """Set which rows and columns of a table a group reads."""
    return policies.put(wiring.querying(), wiring.queue(), who, table_id, group_id, body)


@app.route("/api/tables/{table_id}/policies/{group_id}", methods=["DELETE"])
@endpoint(needs=Needs.ADMIN)
def delete_policy(who: Principal, table_id: str, group_id: str) -> None:
    """Take a policy away: the group reads all of what it was granted."""
    policies.remove(wiring.state(), wiring.queue(), who, table_id, group_id)
