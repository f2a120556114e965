"""The sessions of one person."""

from agnes import wiring
from agnes.accounts import service as accounts
from agnes.edge import Function, Needs, endpoint
from agnes.kernel.principal import Principal
from agnes.telemetry.drill_down import sessions, storage
from agnes.telemetry.transcripts.quotas import Storage

app = Function("telemetry-get_user_sessions")


@app.route("/api/admin/users/{user_id}/sessions", methods=["GET"])
@endpoint(needs=Needs.ADMIN, query=sessions.PageOf, reads=("telemetry",))
def get_user_sessions(_who: Principal, user_id: str, query: sessions.PageOf) -> sessions.SessionList:
    """Sessions of a person: processed ones first, newest first, then those whose files wait."""
    with wiring.state().read("people") as db:
        accounts.get_user(db, user_id)
    return sessions.of_user(wiring.state(), wiring.store(), user_id, query)


@app.route("/api/admin/users/{user_id}/storage", methods=["GET"])
@endpoint(needs=Needs.ADMIN)
def get_user_storage(_who: Principal, user_id: str) -> Storage:
    """What is stored of a person's transcripts, and how much may be."""
    return storage.of_user(wiring.store(), user_id, wiring.quotas(), clock=wiring.clock())
