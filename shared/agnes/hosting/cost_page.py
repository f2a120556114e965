"""The page of what hosting costs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from agnes.hosting.report import CostReport

WINDOWS = {1: "Today", 7: "7 days", 30: "30 days", 60: "60 days"}


@dataclass(frozen=True)
class CostPage:
    template: ClassVar[str] = "hosting/cost.html"
    title: ClassVar[str] = "Hosting cost"
    windows: ClassVar[dict[int, str]] = WINDOWS

    report: CostReport
    days: int

    @property
    def is_empty(self) -> bool:
        return not self.report.features
