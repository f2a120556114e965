"""The page /admin/activity."""

from agnes import wiring
from agnes.audit import pulse
from agnes.audit.model import ActivityQuery
from agnes.audit.pages import ActivityPage, activity_page
from agnes.edge import Function, Needs, page
from agnes.kernel.principal import Principal
from agnes.state import names, packaged

app = Function("audit-page_activity")


@app.route("/admin/activity", methods=["GET"])
@page(needs=Needs.ADMIN, query=ActivityQuery, reads=names())
def page_activity(_who: Principal, query: ActivityQuery) -> ActivityPage:
    """Show how the house does, and who did what."""
    state, store, clock = wiring.state(), wiring.store(), wiring.clock()
    beat = pulse.pulse(state, store, wiring.dead_letters(), packaged(), wiring.settings().seconds_between, clock=clock)
    return activity_page(state, store, query, beat, now=clock.now())
