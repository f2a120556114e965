"""What sharing in the Flea market works with."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from agnes.kernel.ports import Clock, ObjectStore, Queue
from agnes.kernel.scanning import Scanners
from agnes.kernel.state import State

ReviewMode = Literal["model", "admin", "off"]


@dataclass(frozen=True, slots=True)
class Market:
    """What sharing works with."""

    state: State
    store: ObjectStore
    queue: Queue
    clock: Clock
    scanners: Scanners
    review: ReviewMode = "model"
    """Who looks at what the rules let pass: a model and then, where that is not enough, an admin; an admin; nobody."""
