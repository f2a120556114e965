"""Who did what."""

from agnes import wiring
from agnes.audit import service
from agnes.audit.model import Activity, ActivityQuery
from agnes.edge import Function, Needs, endpoint
from agnes.kernel.principal import Principal
from agnes.state import names

app = Function("audit-get_activity")


@app.route("/api/admin/activity", methods=["GET"])
@endpoint(needs=Needs.ADMIN, query=ActivityQuery, reads=names())
def get_activity(_who: Principal, query: ActivityQuery) -> Activity:
    """List the audit, newest first; `next_cursor` is where the next page begins."""
    return service.activity(wiring.state(), wiring.store(), query, now=wiring.clock().now())
