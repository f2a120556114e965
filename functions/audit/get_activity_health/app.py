"""Is the house well?"""

from agnes import wiring
from agnes.audit import pulse
from agnes.edge import Function, Needs, endpoint
from agnes.kernel.principal import Principal
from agnes.state import packaged

app = Function("audit-get_activity_health")


@app.route("/api/admin/activity/health", methods=["GET"])
@endpoint(needs=Needs.ADMIN)
def get_activity_health(_who: Principal) -> pulse.Pulse:
    """Judge schedules, inbox, failures and syncs; the answer is at most 30 seconds old."""
    return pulse.pulse(
        wiring.state(),
        wiring.store(),
        wiring.dead_letters(),
        packaged(),
        wiring.settings().seconds_between,
        clock=wiring.clock(),
    )
