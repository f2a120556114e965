"""The scheduled jobs."""

from agnes import wiring
from agnes.edge import Function, Needs, endpoint
from agnes.kernel.principal import Principal
from agnes.ops import jobs

app = Function("ops-get_jobs")


@app.route("/api/admin/run", methods=["GET"])
@endpoint(needs=Needs.OPERATOR)
def get_jobs(_who: Principal) -> list[jobs.Job]:
    """List the jobs: the schedule of each, its last run, and about when it is due."""
    return jobs.jobs(wiring.store(), wiring.settings().seconds_between, now=wiring.clock().now())
