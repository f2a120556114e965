"""Syncs of several marketplaces one after the other, and of the one that a message names."""

from __future__ import annotations

from agnes.kernel.errors import AgnesError, UnavailableError
from agnes.kernel.ports import Queue
from agnes.kernel.state import Change
from agnes.marketplace import nightly, repository
from agnes.marketplace.limits import INTERACTIVE_SYNC_SECONDS
from agnes.marketplace.model import SyncAllReport, SyncFailure, SyncReport
from agnes.marketplace.sync import Syncing, go_on, sync


def sync_all(tools: Syncing, queue: Queue, *, seconds: float = INTERACTIVE_SYNC_SECONDS) -> SyncAllReport:
    """Sync every marketplace, one after the other, while there is time; the rest is queued."""
    began = tools.clock.monotonic()
    report = SyncAllReport([], [], [])
    with tools.state.read("marketplace") as db:
        ids = repository.registry_ids(db)
    for marketplace_id in ids:
        left = seconds - (tools.clock.monotonic() - began)
        if left <= 0:
            report.queued.append(marketplace_id)
            continue
        try:
            report.synced.append(sync(tools, marketplace_id, seconds=left))
            go_on(queue, report.synced[-1])
        except AgnesError as exc:
            report.errors.append(SyncFailure(marketplace_id, exc.message))
    nightly.send(queue, report.queued)
    shown = {
        "synced": [r.id for r in report.synced],
        "errors": [e.id for e in report.errors],
        "queued": report.queued,
    }
    tools.state.commit("marketplace", lambda tx: tx.record(Change("marketplace.sync_all", "marketplace:*", shown)))
    return report


def sync_queued(tools: Syncing, marketplace_id: str) -> SyncReport | None:
    """Consume one message. None where repeating it would not help: the reason is in the sync history.

    Raises UnavailableError, so that the queue delivers it again.
    """
    try:
        return sync(tools, marketplace_id)
    except UnavailableError:
        raise
    except AgnesError:
        return None
