"""Redact all of a person."""

from agnes import wiring
from agnes.edge import Function, Needs, endpoint
from agnes.kernel.principal import Principal
from agnes.knowledge import redacting
from agnes.telemetry.extraction.redaction import Redacted

app = Function("telemetry-delete_user_sessions")


@app.route("/api/admin/usage/sessions/{user_id}", methods=["DELETE"])
@app.route("/api/admin/telemetry/sessions/{user_id}", methods=["DELETE"])
@endpoint(needs=Needs.ADMIN)
def delete_user_sessions(_who: Principal, user_id: str) -> Redacted:
    """Remove every session of a person; none that began before now is ever taken again."""
    return redacting.redact_user(wiring.state(), wiring.store(), user_id, clock=wiring.clock())
