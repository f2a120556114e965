"""Does the installation work?"""

from agnes import wiring
from agnes.edge import Function, Needs, endpoint
from agnes.health import report
from agnes.health.report import HealthReport
from agnes.kernel.principal import Principal
from agnes.state import packaged

app = Function("audit-get_activity_health")


@app.route("/api/admin/activity/health", methods=["GET"])
@endpoint(needs=Needs.ADMIN)
def get_activity_health(_who: Principal) -> HealthReport:
    """Judge schedules, inbox, failures and syncs; the answer is at most 30 seconds old."""
    return report.report(
        wiring.state(),
        wiring.store(),
        wiring.dead_letters(),
        packaged(),
        wiring.settings().seconds_between,
        clock=wiring.clock(),
    )
