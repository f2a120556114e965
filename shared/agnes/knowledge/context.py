"""What the use cases of knowledge work with."""

from __future__ import annotations

from dataclasses import dataclass, field

from agnes.kernel.ports import Clock, ObjectStore
from agnes.kernel.scanning import Scanners
from agnes.kernel.state import State
from agnes.knowledge.model import Rules


@dataclass(frozen=True, slots=True)
class Knowledge:
    state: State
    store: ObjectStore
    clock: Clock
    scanners: Scanners
    rules: Rules = field(default_factory=Rules)
