"""One's own sessions."""

from agnes import wiring
from agnes.edge import Function, Needs, endpoint
from agnes.kernel.principal import Principal
from agnes.telemetry.drill_down import sessions

app = Function("telemetry-get_my_sessions")


@app.route("/api/me/sessions", methods=["GET"])
@endpoint(needs=Needs.LOGIN, query=sessions.PageOf)
def get_my_sessions(who: Principal, query: sessions.PageOf) -> sessions.SessionList:
    """Your sessions: processed ones first, newest first, then those whose files wait."""
    return sessions.of_user(wiring.state(), wiring.store(), who.user_id, query)
