"""The page /admin/activity."""

from agnes import wiring
from agnes.audit.model import ActivityQuery
from agnes.audit.pages import ActivityPage, activity_page
from agnes.edge import Function, Needs, page
from agnes.health import report
from agnes.kernel.principal import Principal
from agnes.state import names, packaged

app = Function("audit-page_activity")


@app.route("/admin/activity", methods=["GET"])
@page(needs=Needs.ADMIN, query=ActivityQuery, reads=names())
def page_activity(_who: Principal, query: ActivityQuery) -> ActivityPage:
    """Show whether Agnes works, and who did what."""
    state, store, clock = wiring.state(), wiring.store(), wiring.clock()
    found = report.report(
        state, store, wiring.dead_letters(), packaged(), wiring.settings().seconds_between, clock=clock
    )
    return activity_page(state, store, query, found, now=clock.now())
