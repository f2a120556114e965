"""Is the audit what was written?"""

from agnes import wiring
from agnes.audit import verify
from agnes.edge import Function, job
from agnes.edge.job import Tick

app = Function("audit-cron_verify")


@app.lambda_function()
@job("audit.verify")
def run(tick: Tick) -> verify.Verified:
    """Follow the chains of the audit from their first line to their last, and compute every digest again."""
    return verify.verify(wiring.state(), wiring.store(), clock=wiring.clock(), remember=not tick.dry_run)
