"""Remove the login counters of past days."""

from datetime import timedelta

from agnes import wiring
from agnes.accounts import limits
from agnes.edge import Function, job
from agnes.edge.job import Tick

app = Function("accounts-cron_prune")


@app.lambda_function()
@job("accounts.prune")
def run(tick: Tick) -> dict:
    """Yesterday's stay: midnight must not end somebody's lockout in the middle of a count."""
    before = (tick.at - timedelta(days=1)).date()
    return {"removed": limits.forget(wiring.store(), before=before, dry_run=tick.dry_run)}
