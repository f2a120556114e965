"""The page of everybody's sessions."""

from agnes import wiring
from agnes.edge import Function, Needs, page
from agnes.kernel.principal import Principal
from agnes.telemetry.drill_down.session_pages import SessionsPage, sessions_page
from agnes.telemetry.drill_down.sessions import SessionsQuery

app = Function("telemetry-page_sessions")


@app.route("/admin/sessions", methods=["GET"])
@page(needs=Needs.ADMIN, query=SessionsQuery, reads=("telemetry",))
def page_sessions(_who: Principal, query: SessionsQuery) -> SessionsPage:
    """Sessions with filters and figures."""
    return sessions_page(wiring.state(), query, now=wiring.clock().now())
