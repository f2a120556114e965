"""Grants and stacks follow a plugin that its catalog renamed.

A sync notes the rename in `marketplace`; what it means for `stack` and `people` is done here, one commit a file, and then
noted as done. Whoever dies in between has lost nothing: readers take the old name for the new one until it is noted, and
the next sync, of whichever marketplace, does the steps again, which changes nothing that was done.
"""

from __future__ import annotations

from datetime import datetime

from agnes.access import grants as access_grants
from agnes.access import service as access
from agnes.kernel.state import Change, State, Tx
from agnes.marketplace import renamed
from agnes.marketplace.model import RESOURCE_TYPE
from agnes.stack import repository


def follow(state: State, *, now: datetime) -> None:
    """Do what is left to do. Several at once do no harm."""
    with state.read("marketplace") as db:
        moving = renamed.pending(db)
    if not moving:
        return
    with state.read("people") as db:
        granted = {(g.group_id, g.resource_id): g.id for g in access.grants(db, resource_type=RESOURCE_TYPE)}
    both = {
        grant_id: granted[group_id, moving[resource]]
        for (group_id, resource), grant_id in granted.items()
        if resource in moving and (group_id, moving[resource]) in granted
    }
    """Grant of the old name → grant of the new one, of groups that have both."""

    def stacks(tx: Tx) -> None:
        for old, people in repository.follow(tx.db, moving, both).items():
            if people:
                tx.record(Change("stack.renamed", f"plugin:{moving[old]}", {"from": old, "subscriptions": people}))

    state.commit("stack", stacks)
    access_grants.follow(state, RESOURCE_TYPE, moving)

    def noted(tx: Tx) -> None:
        renamed.set_moved(tx.db, moving, now=now)

    state.commit("marketplace", noted)
