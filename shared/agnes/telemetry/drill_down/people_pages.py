"""Page objects of people: who there is and when they were last seen, and one person with their sessions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import ClassVar, Literal
from urllib.parse import urlencode

from pydantic import BaseModel, ConfigDict, Field

from agnes.accounts import service as accounts
from agnes.accounts.model import User
from agnes.kernel.ports import ObjectStore
from agnes.kernel.state import Db, State
from agnes.telemetry.drill_down import sessions
from agnes.telemetry.drill_down.sessions import PageOf, SessionList
from agnes.telemetry.model import FILE
from agnes.telemetry.transcripts import quotas
from agnes.telemetry.transcripts.quotas import Limits, Storage

PEOPLE_A_PAGE = 50
SESSIONS_A_PAGE = 50
LATELY = timedelta(days=30)
STATES = {"": "Everybody", "active": "Active", "deactivated": "Deactivated"}


class PeopleQuery(BaseModel):
    """`q` is looked for as it is, in address, name and groups."""

    model_config = ConfigDict(extra="forbid")

    q: str = Field("", max_length=200)
    state: Literal["", "active", "deactivated"] = ""
    offset: int = Field(0, ge=0, le=1_000_000)


@dataclass(frozen=True, slots=True)
class Seen:
    """When somebody was last here, by signing in or in a session, and their sessions of the last 30 days."""

    last_at: datetime | None = None
    sessions_30d: int = 0


@dataclass(frozen=True)
class PeoplePage:
    template: ClassVar[str] = "telemetry/people.html"
    title: ClassVar[str] = "People"
    states: ClassVar[dict[str, str]] = STATES

    people: tuple[User, ...]
    seen: Mapping[str, Seen]
    total: int
    active: int
    query: PeopleQuery
    today: date

    def of(self, user: User) -> Seen:
        return self.seen.get(user.id, Seen())

    def link(self, offset: int) -> str:
        pairs = {"q": self.query.q, "state": self.query.state, "offset": offset}
        given = {name: value for name, value in pairs.items() if value}
        return "/admin/users" + (f"?{urlencode(given)}" if given else "")

    @property
    def previous(self) -> str:
        return self.link(max(0, self.query.offset - PEOPLE_A_PAGE)) if self.query.offset else ""

    @property
    def following(self) -> str:
        end = self.query.offset + len(self.people)
        return self.link(end) if end < self.total else ""


def people_page(state: State, query: PeopleQuery, *, now: datetime) -> PeoplePage:
    """Raises UnavailableError."""
    with state.read("people", FILE) as db:
        everybody = accounts.users(db)
        found = [user for user in everybody if _passes(user, query)]
        shown = tuple(found[query.offset : query.offset + PEOPLE_A_PAGE])
        seen = _seen(db, [user.id for user in shown], now)
    active = sum(user.active for user in everybody)
    return PeoplePage(shown, seen, len(found), active, query, now.date())


def _passes(user: User, query: PeopleQuery) -> bool:
    if query.state and user.active != (query.state == "active"):
        return False
    words = [user.email, user.name, *(group.name for group in user.groups)]
    return query.q.strip().casefold() in " ".join(words).casefold()


@dataclass(frozen=True)
class PersonPage:
    template: ClassVar[str] = "telemetry/person.html"

    user: User
    seen: Seen
    live_tokens: int
    found: SessionList
    query: PageOf
    today: date
    storage: Storage

    @property
    def title(self) -> str:
        return self.user.name or self.user.email

    @property
    def url(self) -> str:
        return f"/admin/users/{self.user.id}"

    @property
    def previous(self) -> str:
        start = max(0, self.query.offset - self.query.limit)
        return f"{self.url}?offset={start}#sessions" if self.query.offset else ""

    @property
    def following(self) -> str:
        return f"{self.url}?offset={self.found.next_offset}#sessions" if self.found.next_offset is not None else ""


def person_page(
    state: State, store: ObjectStore, user_id: str, *, offset: int, limits: Limits, now: datetime
) -> PersonPage:
    """Raises NotFoundError, UnavailableError."""
    query = PageOf(limit=SESSIONS_A_PAGE, offset=offset)
    with state.read("people", FILE) as db:
        user = accounts.get_user(db, user_id)
        seen = _seen(db, [user.id], now).get(user.id, Seen())
        tokens = accounts.live_tokens(db, user.id, now=now)
    held = quotas.storage(store, user.id, limits, now=now)
    return PersonPage(user, seen, tokens, sessions.of_user(state, store, user.id, query), query, now.date(), held)


def _seen(db: Db, user_ids: list[str], now: datetime) -> dict[str, Seen]:
    signed_in = accounts.last_sign_ins(db, user_ids)
    worked = {
        user_id: (last, count)
        for user_id, last, count in db.execute(
            """SELECT user_id, max(coalesce(ended_at, extracted_at)),
                count(*) FILTER (coalesce(ended_at, extracted_at) >= $since)
            FROM telemetry.sessions WHERE user_id IN (SELECT unnest($ids)) GROUP BY 1""",
            {"ids": user_ids, "since": now - LATELY},
        ).fetchall()
    }
    found = {}
    for user_id in user_ids:
        last, count = worked.get(user_id, (None, 0))
        times = [at for at in (last, signed_in.get(user_id)) if at]
        found[user_id] = Seen(max(times, default=None), count)
    return found
