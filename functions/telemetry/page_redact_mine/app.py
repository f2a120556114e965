"""Remove a session of one's own for good."""

from agnes import wiring
from agnes.edge import Function, Needs, page
from agnes.kernel.principal import Principal
from agnes.knowledge import redacting
from agnes.telemetry.drill_down.session_pages import RedactPage, SessionLinks

app = Function("telemetry-page_redact_mine")


@app.route("/me/sessions/{session_id}/redact", methods=["POST"])
@page(needs=Needs.LOGIN)
def page_done(who: Principal, session_id: str) -> RedactPage:
    """Remove it for good."""
    done = redacting.redact_session(wiring.state(), wiring.store(), who.user_id, session_id, clock=wiring.clock())
    return RedactPage(SessionLinks(True, done.user_id, done.sessions[0]), who.email, done)
