"""Run a session processor now."""

from typing import Any

from pydantic import BaseModel, ConfigDict

from agnes import wiring
from agnes.edge import Function, Needs, endpoint
from agnes.edge.job import Tick, run_job
from agnes.kernel.principal import Principal
from agnes.telemetry import service
from agnes.telemetry.model import Limits, Report

app = Function("telemetry-post_run_session_processor")


class Which(BaseModel):
    model_config = ConfigDict(extra="forbid")

    processor: str


@app.route("/api/admin/run-session-processor", methods=["POST"])
@endpoint(needs=Needs.OPERATOR, query=Which)
def post_run_session_processor(_who: Principal, query: Which) -> dict[str, Any]:
    """Run a processor now and answer when it is done: `{ok, details}`. 409 while another run is busy."""
    if query.processor != service.USAGE:
        raise service.UnknownProcessor(query.processor)
    told = f"run_session_processor:{query.processor}"
    beat = run_job("telemetry.extract", _extract, Tick(at=wiring.clock().now()), told=told)
    return {"ok": beat["ok"], "details": beat["report"]}


def _extract(_tick: Tick) -> Report:
    # An answer must come before the gateway gives up (29 s); what is left then is in the report.
    limits = Limits(seconds=15, processes=wiring.cores())
    return service.extract_usage(wiring.state(), wiring.store(), clock=wiring.clock(), limits=limits)
