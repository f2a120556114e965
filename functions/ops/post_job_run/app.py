"""Have a job run now."""

from pydantic import BaseModel, ConfigDict

from agnes import wiring
from agnes.edge import Function, Needs, endpoint
from agnes.kernel.principal import Principal
from agnes.ops import jobs

app = Function("ops-post_job_run")


class How(BaseModel):
    model_config = ConfigDict(extra="forbid")

    dry_run: bool = False


@app.route("/api/admin/run/{job}", methods=["POST"])
@endpoint(needs=Needs.OPERATOR, query=How, status=202)
def post_job_run(who: Principal, job: str, query: How) -> jobs.Started:
    """Start a job in the background; GET the same path with the `run_id` to see what became of it."""
    return jobs.start(wiring.jobs(), who, job, dry_run=query.dry_run, now=wiring.clock().now())
