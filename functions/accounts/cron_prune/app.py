"""Remove the login counters of past days, and sign-ins that expired a day ago."""

from datetime import timedelta

from agnes import wiring
from agnes.accounts import limits, sign_ins
from agnes.edge import Function, job
from agnes.edge.job import Tick

app = Function("accounts-cron_prune")


@app.lambda_function()
@job("accounts.prune")
def run(tick: Tick) -> dict[str, int]:
    """Yesterday's counters stay: midnight must not end somebody's lockout in the middle of a count."""
    store, before = wiring.store(), (tick.at - timedelta(days=1)).date()
    return {
        "removed": limits.forget(store, before=before, dry_run=tick.dry_run),
        "sign_ins": sign_ins.forget(store, now=tick.at, dry_run=tick.dry_run),
    }
