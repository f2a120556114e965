"""What a run of the collector may take, and what it tells of each location."""

from __future__ import annotations

from dataclasses import dataclass, field

from agnes.kernel.errors import AgnesError

EXAMPLES = 20
"""Refusals that a report tells one by one."""


@dataclass(frozen=True, slots=True)
class Limits:
    seconds: float = 600
    """Of a run."""
    location_seconds: float = 300
    location_files: int = 50_000
    """Names that are looked at in a location."""


@dataclass(slots=True)
class LocationReport:
    """What a run found in one location: `seen` = `fetched` + `unchanged` + the refused + `left`."""

    seen: int = 0
    fetched: int = 0
    """Or, in a dry run, to be fetched."""
    unchanged: int = 0
    plain_bytes: int = 0
    refused: dict[str, int] = field(default_factory=dict)
    """How many for which reason."""
    examples: list[str] = field(default_factory=list)
    """`<path>: <reason>`, the first of them."""
    left: int = 0
    """Files that the next run will fetch: time was up, or the location stopped answering."""
    error: str | None = None
    """Why the location could not be collected wholly."""
    error_code: str | None = None

    def refuse(self, path: str, reason: str) -> None:
        self.refused[reason] = self.refused.get(reason, 0) + 1
        if len(self.examples) < EXAMPLES:
            self.examples.append(f"{path}: {reason}")

    def fail(self, exc: AgnesError) -> None:
        self.error, self.error_code = told(exc), exc.code


@dataclass(slots=True)
class Report:
    locations: dict[str, LocationReport] = field(default_factory=dict)
    skipped: list[str] = field(default_factory=list)
    """Locations that are not enabled."""
    fetched: int = 0
    failed: int = 0
    """Locations with an error."""


def told(exc: AgnesError) -> str:
    return f"{exc.message}. {exc.hint}" if exc.hint else exc.message
