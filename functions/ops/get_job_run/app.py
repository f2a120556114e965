"""What became of a run of a job."""

from pydantic import BaseModel, ConfigDict

from agnes import wiring
from agnes.edge import Function, Needs, endpoint
from agnes.kernel.principal import Principal
from agnes.ops import jobs

app = Function("ops-get_job_run")


class Which(BaseModel):
    model_config = ConfigDict(extra="forbid")

    run_id: str | None = None


@app.route("/api/admin/run/{job}", methods=["GET"])
@endpoint(needs=Needs.OPERATOR, query=Which)
def get_job_run(_who: Principal, job: str, query: Which) -> jobs.Run:
    """Show a job's last run, or the run of this id, with its report."""
    return jobs.run_of(wiring.store(), job, query.run_id)
