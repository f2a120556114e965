"""What a function does when it is called to be kept warm, and not to answer anybody."""

from __future__ import annotations

import logging
from typing import Any

from agnes import wiring
from agnes.kernel.errors import AgnesError

log = logging.getLogger("agnes.edge")

FILES = "keep_warm"
"""In the event of the schedule (infra/waited_for.py): the state files that the function reads. A request has no such member:
what clients send is in the members that API Gateway names."""


def is_warming(event: Any) -> bool:
    return isinstance(event, dict) and FILES in event and "requestContext" not in event


def warm(event: dict[str, Any]) -> dict[str, Any]:
    """Open these files as they are now, so that the next request finds them open. Never raises."""
    try:
        with wiring.state().read(*event[FILES]):
            return {"warm": True}
    except AgnesError as exc:
        log.warning("the state cannot be opened beforehand: %s", exc.message)
        return {"warm": False}
