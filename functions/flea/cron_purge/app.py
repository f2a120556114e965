"""Every night at 04:00 UTC: forget the files of what was refused a month ago."""

from agnes import wiring
from agnes.edge import Function, job
from agnes.edge.job import Tick
from agnes.flea import upkeep

app = Function("flea-cron_purge")


@app.lambda_function()
@job("flea.purge")
def run(tick: Tick) -> dict[str, int]:
    """What is live, was live or is quarantined stays."""
    return upkeep.purge(wiring.market(), now=tick.at, dry_run=tick.dry_run)
