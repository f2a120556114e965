"""Every fifteen minutes: ask again for reviews whose worker died or whose message was lost."""

from agnes import wiring
from agnes.edge import Function, job
from agnes.edge.job import Tick
from agnes.flea import upkeep

app = Function("flea-cron_reap")


@app.lambda_function()
@job("flea.reap")
def run(tick: Tick) -> dict[str, int]:
    """Send their messages again."""
    return upkeep.reap(wiring.market(), now=tick.at, dry_run=tick.dry_run)
