"""Which marketplaces are to be synced, handed to the queue."""

from __future__ import annotations

from collections.abc import Iterable

from agnes.kernel.ports import Message, Queue
from agnes.kernel.state import State
from agnes.marketplace import repository

QUEUE = "marketplace-sync"


def queue_all(state: State, queue: Queue, *, dry_run: bool = False) -> list[str]:
    """Queue a sync of every marketplace; their ids, which is all that a dry run does."""
    with state.read("marketplace") as db:
        ids = repository.registry_ids(db)
    if not dry_run:
        send(queue, ids)
    return ids


def send(queue: Queue, ids: Iterable[str]) -> None:
    """Each marketplace is its own message, so that a slow repository delays nobody."""
    messages = [Message(QUEUE, {"id": marketplace_id}) for marketplace_id in ids]
    if messages:
        queue.send(messages)
