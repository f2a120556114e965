"""Collect transcripts now."""

from typing import Any

from agnes import wiring
from agnes.edge import Function, Needs, endpoint
from agnes.edge.job import RunQuery, Tick, run_job
from agnes.kernel.principal import Principal
from agnes.telemetry.collecting import collector
from agnes.telemetry.collecting.report import Limits, Report

app = Function("telemetry-post_run_session_collector")


@app.route("/api/admin/run-session-collector", methods=["POST"])
@endpoint(needs=Needs.OPERATOR, query=RunQuery)
def post_run_session_collector(_who: Principal, query: RunQuery) -> dict[str, Any]:
    """Collect now and answer when it is done: `{ok, details}`. 409 while another run is busy."""
    tick = Tick(at=wiring.clock().now(), dry_run=query.dry_run)
    beat = run_job("telemetry.collect", _collect, tick, told="job.ran")
    return {"ok": beat["report"]["failed"] == 0, "details": beat["report"]}


def _collect(tick: Tick) -> Report:
    # An answer must come before the gateway gives up (29 s); what is left then is in the report.
    return collector.collect(
        wiring.state(),
        wiring.store(),
        drops=wiring.drops(),
        secrets=wiring.secrets(),
        clock=wiring.clock(),
        keep_all=wiring.settings().transcripts_keep_all,
        allowed=wiring.quotas(),
        dry_run=tick.dry_run,
        limits=Limits(seconds=15, location_seconds=12),
    )
