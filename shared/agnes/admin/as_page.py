"""See as this person: what a user's catalogue and feed are, for an admin. Read only, and each look is audited."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar, Literal

from agnes.accounts import service as accounts
from agnes.accounts.model import User
from agnes.admin.paging import Paging, SearchQuery
from agnes.browse.catalogue import MOST_ADOPTED
from agnes.browse.shelf import FILES as CATALOGUE_FILES
from agnes.browse.shelf import SOURCE_NAMES, SPARED, catalogue
from agnes.kernel import audit
from agnes.kernel.ports import Clock, ObjectStore
from agnes.kernel.principal import Principal
from agnes.kernel.state import Change, State
from agnes.stack import effective
from agnes.stack.effective import EntitlementLine
from agnes.trees import damage

FILES = CATALOGUE_FILES

LINES_A_PAGE = 50
VIEWS = {
    "feed": "Feed",
    "catalogue": "Catalogue",
    "offered": "May add",
    "hidden": "Not visible",
}
DECISIONS = {
    "newest": "Newest version",
    "rollback": "Rolled back by an admin",
    "rollout_group": "Rolled out to their group first",
    "pin": "The marketplace is pinned",
    "range": "The newest that what needs it works with",
    "withheld": "The newest is withheld",
    "owner": "Published by its owner",
}


class AsQuery(SearchQuery):
    view: Literal["feed", "catalogue", "offered", "hidden"] = "feed"


@dataclass(frozen=True, slots=True)
class CatalogueLine:
    """Something that the user sees in the marketplace."""

    title: str
    path: str
    publisher: str
    description: str
    in_stack: bool


@dataclass(frozen=True)
class AsPage:
    template: ClassVar[str] = "admin/as.html"
    decisions: ClassVar[dict[str, str]] = DECISIONS
    views: ClassVar[dict[str, str]] = VIEWS

    user: User
    query: AsQuery
    counts: dict[str, int]
    """View → lines in it."""
    served: int
    lines: Sequence[EntitlementLine]
    catalogue: Sequence[CatalogueLine]
    paging: Paging
    notices: tuple[str, ...]

    @property
    def title(self) -> str:
        return f"As {self.user.name or self.user.email}"


def as_page(state: State, store: ObjectStore, user_id: str, query: AsQuery, *, clock: Clock, now: datetime) -> AsPage:
    """Raises NotFoundError, UnavailableError."""
    damaged = damage.known(store, clock)
    with state.read(*effective.FILES, spare=SPARED) as db:
        notices = tuple(text for file, text in effective.NOT_KNOWN.items() if file in state.spared)
        user = accounts.get_user(db, user_id)
        who = accounts.principal_of(db, user_id)
        lines = effective.lines_of(db, who, damaged)
    seen = _catalogue(state, who) if user.active else []
    audit.record(store, Change("admin.user_seen_as", f"user:{user_id}", {"view": query.view}), now=now)
    of = {"feed": [], "offered": [], "hidden": []}  # type: dict[str, list[EntitlementLine]]
    for line in lines:
        of[_view_of(line)].append(line)
    counts = {"catalogue": len(seen), **{view: len(found) for view, found in of.items()}}
    words = query.q.strip().casefold()
    listed = [line for line in of.get(query.view, ()) if words in f"{line.name} {line.origin}".casefold()]
    browsed = [line for line in seen if words in f"{line.title} {line.publisher} {line.description}".casefold()]
    browsed = browsed if query.view == "catalogue" else []
    here = slice(query.offset, query.offset + LINES_A_PAGE)
    shown = len(listed[here]) + len(browsed[here])
    given = {"view": query.view if query.view != "feed" else "", "q": query.q}
    return AsPage(
        user=user,
        query=query,
        counts=counts,
        served=sum(line.served for line in lines),
        lines=listed[here],
        catalogue=browsed[here],
        paging=Paging(
            f"/admin/users/{user_id}/as", given, query.offset, LINES_A_PAGE, shown, len(listed) + len(browsed)
        ),
        notices=notices,
    )


def _view_of(line: EntitlementLine) -> str:
    """`feed`: served, or kept from them although they have it."""
    if line.served:
        return "feed"
    code = line.reason.code if line.reason else ""
    if code == "not_added":
        return "offered"
    has_it = line.system or line.required or line.added_at is not None
    return "feed" if has_it and code != "not_granted" else "hidden"


def _catalogue(state: State, who: Principal) -> list[CatalogueLine]:
    """What the person sees when they browse, most adopted first."""
    known = catalogue(state)
    held = known.stack_of(who).held
    found = []
    for number in known.sights.of(who).ordered(SOURCE_NAMES, MOST_ADOPTED):
        entry = known.content.entries[number]
        publisher = entry.marketplace_name if entry.source == "curated" else f"{entry.owner}, flea market"
        found.append(CatalogueLine(entry.title, entry.detail_url, publisher, entry.description, number in held))
    return found
