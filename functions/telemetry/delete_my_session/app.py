"""Redact a session of one's own."""

from agnes import wiring
from agnes.edge import Function, Needs, endpoint
from agnes.kernel.principal import Principal
from agnes.knowledge import redacting
from agnes.telemetry.extraction.redaction import Redacted

app = Function("telemetry-delete_my_session")


@app.route("/api/me/sessions/{session_id}", methods=["DELETE"])
@endpoint(needs=Needs.LOGIN)
def delete_my_session(who: Principal, session_id: str) -> Redacted:
    """Remove a session of yours from everything, or keep it out before anything of it has arrived."""
    return redacting.redact_session(wiring.state(), wiring.store(), who.user_id, session_id, clock=wiring.clock())
