"""Old lines of the audit, and single objects, become parquet by day."""

from agnes import wiring
from agnes.audit import archive
from agnes.edge import Function, job
from agnes.edge.job import Tick

app = Function("audit-cron_archive")


@app.lambda_function()
@job("audit.archive")
def run(tick: Tick) -> archive.Archived:
    """Move what AUDIT_ARCHIVE_AFTER_DAYS says out of the state files, and objects that are an hour old together; remove what
    AUDIT_RETENTION_DAYS says."""
    given = wiring.settings()
    return archive.archive(
        wiring.state(),
        wiring.store(),
        clock=wiring.clock(),
        after_days=given.audit_archive_after_days,
        retention_days=given.audit_retention_days,
        dry_run=tick.dry_run,
    )
