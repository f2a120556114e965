"""Have a job run now."""

from agnes import wiring
from agnes.edge import Function, Needs, endpoint
from agnes.edge.job import RunQuery
from agnes.kernel import audit
from agnes.kernel.principal import Principal
from agnes.kernel.state import Change
from agnes.ops import jobs

app = Function("ops-post_job_run")


@app.route("/api/admin/run/{job}", methods=["POST"])
@endpoint(needs=Needs.OPERATOR, query=RunQuery, status=202)
def post_job_run(who: Principal, job: str, query: RunQuery) -> jobs.Started:
    """Start a job in the background; GET the same path with the `run_id` to see what became of it."""
    now = wiring.clock().now()
    started = jobs.start(wiring.jobs(), who, job, dry_run=query.dry_run, now=now)
    said = {"run_id": started.run_id, "dry_run": query.dry_run}
    audit.record(wiring.store(), Change(f"run_job:{started.job}", f"job:{started.job}", said), now=now)
    return started
