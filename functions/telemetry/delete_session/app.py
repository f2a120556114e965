"""Redact one session."""

from agnes import wiring
from agnes.edge import Function, Needs, endpoint
from agnes.kernel.principal import Principal
from agnes.knowledge import redacting
from agnes.telemetry.extraction.redaction import Redacted

app = Function("telemetry-delete_session")


@app.route("/api/admin/usage/sessions/{user_id}/{session_id}", methods=["DELETE"])
@app.route("/api/admin/telemetry/sessions/{user_id}/{session_id}", methods=["DELETE"])
@endpoint(needs=Needs.ADMIN)
def delete_session(_who: Principal, user_id: str, session_id: str) -> Redacted:
    """Remove a session from everything; it is never taken again."""
    return redacting.redact_session(wiring.state(), wiring.store(), user_id, session_id, clock=wiring.clock())
