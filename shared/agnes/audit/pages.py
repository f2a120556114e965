"""The page object of /admin/activity."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, ClassVar, Protocol
from urllib.parse import urlencode

from agnes.audit import service
from agnes.audit.durations import ago
from agnes.audit.model import Activity, ActivityQuery, Facets, Kpis, Line
from agnes.kernel.ports import ObjectStore
from agnes.kernel.state import State
from agnes.marketplace.model import RecentSync

SPANS = {60: "1 hour", 360: "6 hours", 1440: "24 hours", 10080: "7 days", 43200: "30 days"}
SYNCS = 10
WORDS = {"green": "OK", "yellow": "Warning", "red": "Failing"}
"""What a colour says, so that it never says it alone."""


class HealthField(Protocol):
    """A fact of a health report."""

    @property
    def label(self) -> str: ...
    @property
    def value(self) -> str: ...
    @property
    def color(self) -> str: ...
    @property
    def advice(self) -> str: ...
    @property
    def help_url(self) -> str: ...


class HealthSummary(Protocol):
    """What the page shows of a health report, which is made above this domain (`agnes.health.report`)."""

    @property
    def status(self) -> str: ...
    @property
    def sentence(self) -> str: ...
    @property
    def fields(self) -> Sequence[HealthField]: ...
    @property
    def at(self) -> datetime: ...


@dataclass(frozen=True)
class ActivityPage:
    template: ClassVar[str] = "audit/activity.html"
    title: ClassVar[str] = "Activity"

    health: HealthSummary
    query: ActivityQuery
    activity: Activity
    facets: Facets
    kpis: Kpis
    syncs: list[RecentSync]
    now: datetime

    @property
    def spans(self) -> dict[int, str]:
        chosen = self.query.since_minutes
        return SPANS if chosen in SPANS else {**SPANS, chosen: f"{chosen} minutes"}

    @property
    def is_filtered(self) -> bool:
        return self.query.filter.keys() != {"since_minutes"}

    @property
    def is_first(self) -> bool:
        return self.query.cursor_ts is None

    @property
    def older(self) -> str | None:
        """The query of the next page."""
        following = self.activity.next_cursor
        if following is None:
            return None
        return self._link(cursor_ts=following.ts.isoformat(), cursor_id=following.id)

    @property
    def newest(self) -> str:
        return self._link()

    @property
    def errors(self) -> str:
        return urlencode({"since_minutes": self.query.since_minutes, "result_pattern": "error%"})

    @property
    def export_since(self) -> str:
        """The first day of the span that is shown."""
        return self.query.since(self.now).date().isoformat()

    @property
    def export_until(self) -> str:
        return self.now.date().isoformat()

    def word(self, color: str) -> str:
        return WORDS[color]

    def age(self, at: datetime) -> str:
        return ago(max(0.0, (self.now - at).total_seconds()))

    def who(self, line: Line) -> str:
        return (
            line.user_name or line.user_email or {"scheduler": "Scheduler", "queue": "Queue"}.get(line.client_kind, "—")
        )

    def pretty(self, value: Any) -> str:
        return json.dumps(value, indent=2, ensure_ascii=False)

    def _link(self, **cursor: str) -> str:
        shown = self.query.filter | ({"limit": self.query.limit} if self.query.limit != 50 else {})
        return urlencode(shown | cursor)


def activity_page(
    state: State, store: ObjectStore, query: ActivityQuery, health: HealthSummary, *, now: datetime
) -> ActivityPage:
    """Raises UnavailableError."""
    facets, kpis = service.overview(state, store, since=query.since(now), now=now)
    found = service.activity(state, store, query, now=now)
    return ActivityPage(
        health, query, found, facets, kpis, service.syncs(state, before=None, limit=SYNCS, spare=("marketplace",)), now
    )
