"""What one person did."""

from agnes import wiring
from agnes.accounts import service as accounts
from agnes.audit import service
from agnes.audit.model import Activity, ActivityQuery
from agnes.edge import Function, Needs, endpoint
from agnes.kernel.principal import Principal
from agnes.state import names

app = Function("audit-get_user_activity")


@app.route("/api/admin/users/{user_id}/activity", methods=["GET"])
@endpoint(needs=Needs.ADMIN, query=ActivityQuery, reads=names())
def get_user_activity(_who: Principal, user_id: str, query: ActivityQuery) -> Activity:
    """List what a person did, newest first; `next_cursor` is where the next page begins."""
    with wiring.state().read("people") as db:
        accounts.get_user(db, user_id)
    return service.activity_of_user(wiring.state(), wiring.store(), user_id, query, now=wiring.clock().now())
