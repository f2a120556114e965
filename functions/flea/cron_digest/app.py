"""Every half hour: mail people what happened to what they share and what they have not read."""

from agnes.edge import Function, job
from agnes.edge.job import Tick
from agnes.edge.mail import send_digests

app = Function("flea-cron_digest")


@app.lambda_function()
@job("flea.digest")
def run(tick: Tick) -> dict[str, int]:
    """One message a person; nothing where this installation sends no mail."""
    return send_digests(now=tick.at, dry_run=tick.dry_run)
