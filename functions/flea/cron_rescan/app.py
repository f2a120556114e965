"""Every hour: check again what was checked by earlier rules."""

from agnes import wiring
from agnes.edge import Function, job
from agnes.edge.job import Tick
from agnes.flea import upkeep

app = Function("flea-cron_rescan")


@app.lambda_function()
@job("flea.rescan")
def run(tick: Tick) -> dict[str, int]:
    """What is live comes first, and is quarantined if it is found unsafe."""
    return upkeep.rescan(wiring.market(), dry_run=tick.dry_run)
