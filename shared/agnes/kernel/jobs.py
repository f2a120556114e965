"""The port of jobs: having a scheduled function run now, in the background, with its own rights and not its caller's."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol


class Jobs(Protocol):
    def start(self, function: str, event: Mapping[str, Any]) -> None:
        """Have the function `<domain>-<folder>` run with this event; returns once that is certain. Raises UnavailableError."""
        ...
