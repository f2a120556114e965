"""The first page of administration."""

from agnes import wiring
from agnes.admin.overview_page import FILES, OverviewPage, overview_page
from agnes.edge import Function, Needs, page
from agnes.health import report
from agnes.kernel.principal import Principal
from agnes.state import packaged

app = Function("admin-page_overview")


@app.route("/admin", methods=["GET"])
@page(needs=Needs.ADMIN, reads=FILES)
def page_overview(_who: Principal) -> OverviewPage:
    """Show what needs an admin now, and what is left to set up."""
    state, clock = wiring.state(), wiring.clock()
    health = report.report(
        state, wiring.store(), wiring.dead_letters(), packaged(), wiring.settings().seconds_between, clock=clock
    )
    return overview_page(state, health, now=clock.now())
