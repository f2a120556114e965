"""What queries over data tables may read of the audit: lines of what whoever asks did, and of everybody for an admin."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path

from agnes.audit import objects, service
from agnes.audit.model import COLUMNS
from agnes.kernel.ports import ObjectStore
from agnes.kernel.principal import Principal
from agnes.kernel.state import State

ID = "agnes_audit"
DAYS, MAX_LINES = 30, 10_000
DESCRIPTION = f"Lines of the audit about what you did, of the last {DAYS} days, the newest {MAX_LINES:,} at most; for admins what everybody did."
DESCRIPTIONS = {
    "at": "when, UTC",
    "id": "of the line, grows with time",
    "user_id": "who did it; empty for a schedule",
    "email": "as it was then",
    "action": "such as table.download",
    "resource": "kind and id of the thing",
    "params": "what was asked, JSON",
    "before": "what an update replaced, JSON",
    "result": "ok, or error. and its code",
    "duration_ms": "how long it took",
    "client_ip": "from where",
    "client_kind": "web, cli, scheduler, queue or system",
    "request_id": "the same in all lines of one request",
}


def write(state: State, store: ObjectStore, who: Principal, path: Path, *, now: datetime) -> None:
    """Raises UnavailableError."""
    rows = service.newest_lines(
        state, store, None if who.is_admin else who.user_id, since=now - timedelta(days=DAYS), now=now, limit=MAX_LINES
    )
    with objects.parquet() as bench:
        bench.write_rows(path, rows)


def columns() -> dict[str, str]:
    """Name → type."""
    return dict(COLUMNS)
