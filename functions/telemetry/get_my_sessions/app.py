"""One's own sessions."""

from agnes import wiring
from agnes.edge import Function, Needs, endpoint
from agnes.kernel.principal import Principal
from agnes.telemetry.drill_down import sessions, storage
from agnes.telemetry.transcripts.quotas import Storage

app = Function("telemetry-get_my_sessions")


@app.route("/api/me/sessions", methods=["GET"])
@endpoint(needs=Needs.LOGIN, query=sessions.PageOf, reads=("telemetry",))
def get_my_sessions(who: Principal, query: sessions.PageOf) -> sessions.SessionList:
    """Your sessions: processed ones first, newest first, then those whose files wait."""
    return sessions.of_user(wiring.state(), wiring.store(), who.user_id, query)


@app.route("/api/me/storage", methods=["GET"])
@endpoint(needs=Needs.LOGIN)
def get_my_storage(who: Principal) -> Storage:
    """What is stored of your transcripts, and how much may be."""
    return storage.of_user(wiring.store(), who.user_id, wiring.quotas(), clock=wiring.clock())
