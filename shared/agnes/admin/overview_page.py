"""The first page of administration: what needs an admin now, and the way from an empty installation to a used one."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import ClassVar

from agnes.access import service as access
from agnes.accounts import service as accounts
from agnes.accounts.model import UserCounts
from agnes.flea import queue
from agnes.health.report import HealthReport
from agnes.kernel.state import State
from agnes.marketplace import service as marketplace
from agnes.marketplace import versions
from agnes.stack import service as stack
from agnes.telemetry import service as telemetry
from agnes.telemetry.model import FILE as TELEMETRY

FILES = (*stack.FILES, TELEMETRY)
SPARED = (*stack.SPARED, "stack", "marketplace", TELEMETRY)
"""Without these the rest is shown, with a note."""
RECENT = timedelta(days=30)


@dataclass(frozen=True, slots=True)
class Attention:
    """Something that an admin should look at."""

    text: str
    detail: str
    path: str
    action: str
    """What the link says."""
    is_urgent: bool = False


@dataclass(frozen=True, slots=True)
class Step:
    """One step of setting up; it is done when the installation shows it."""

    title: str
    text: str
    path: str
    action: str
    is_done: bool


@dataclass(frozen=True)
class OverviewPage:
    template: ClassVar[str] = "admin/overview.html"
    title: ClassVar[str] = "Overview"

    attention: list[Attention]
    steps: list[Step]
    users: UserCounts
    marketplaces: int
    plugins: int
    served: int
    sessions_30d: int
    people_30d: int
    health: HealthReport
    today: date

    @property
    def is_set_up(self) -> bool:
        return all(step.is_done for step in self.steps)


def overview_page(state: State, health: HealthReport, *, now: datetime) -> OverviewPage:
    with state.read(*FILES, spare=SPARED) as db:
        is_whole = not set(SPARED) & set(state.spared)
        registered = marketplace.marketplaces(db)
        plugins = marketplace.plugins(db)
        waiting = versions.count_waiting(db)
        submissions = queue.count_to_review(db)
        users = accounts.count_users(db)
        has_grants = any(group.grant_count for group in access.groups(db)) or any(p.is_system for p in plugins)
        sessions, people = telemetry.recent_sessions(db, since=now - RECENT)
    served = sum(plugin.is_served and not plugin.disabled for plugin in plugins)
    attention = [
        *_failing(health),
        *(
            Attention(
                f"The last sync of {one.name} failed",
                one.last_error or "",
                f"/admin/marketplaces/{one.id}",
                "Open",
                is_urgent=True,
            )
            for one in registered
            if one.last_error
        ),
        *(
            Attention(
                f"{number} new {'version waits' if number == 1 else 'versions wait'} for your approval",
                one.name,
                f"/admin/marketplaces/{one.id}",
                "Review",
            )
            for one in registered
            if (number := waiting.get(one.id, 0))
        ),
        *(
            Attention(
                f"{len(broken)} {'plugin' if len(broken) == 1 else 'plugins'} of {one.name} cannot be served",
                ", ".join(broken[:4]) + (" and others" if len(broken) > 4 else ""),
                f"/admin/marketplaces/{one.id}",
                "See why",
            )
            for one in registered
            if (broken := [p.name for p in plugins if p.marketplace_id == one.id and p.problem])
        ),
    ]
    if submissions:
        attention.append(
            Attention(
                f"{submissions} {'submission waits' if submissions == 1 else 'submissions wait'} for your review",
                "Nobody is served what was shared on the Flea market before you decide.",
                "/admin/store",
                "Review",
            )
        )
    if users.without_password:
        attention.append(
            Attention(
                f"{users.without_password} {'person' if users.without_password == 1 else 'people'} cannot sign in yet",
                "No password is set for them.",
                "/admin/users?status=no_password",
                "Show them",
            )
        )
    return OverviewPage(
        attention=attention,
        # What cannot be read is not still to do.
        steps=[]
        if not is_whole
        else [
            Step(
                "Register a marketplace",
                "A git repository of plugins for Claude Code.",
                "/admin/marketplaces",
                "Register",
                bool(registered),
            ),
            Step(
                "Read its plugins",
                "A sync reads the repository; from then on it runs every night.",
                "/admin/marketplaces",
                "Sync",
                any(one.last_synced_at and not one.last_error for one in registered),
            ),
            Step("Grant plugins", "To Everyone, or to a group of your own.", "/admin/access", "Grant", has_grants),
            Step("Add people", "They sign in and connect Claude Code.", "/admin/users", "Add", users.active > 1),
            Step(
                "See the first session counted",
                "It is sent when a session of Claude Code ends.",
                "/admin/sessions",
                "Sessions",
                sessions > 0,
            ),
        ],
        users=users,
        marketplaces=len(registered),
        plugins=len(plugins),
        served=served,
        sessions_30d=sessions,
        people_30d=people,
        health=health,
        today=now.date(),
    )


def _failing(health: HealthReport) -> list[Attention]:
    return [
        Attention(field.value, field.advice, "/admin/activity", field.label, is_urgent=True)
        for field in health.fields
        if field.color == "red"
    ]
