"""The cache: the catalogue that a process keeps, brought up to date when a state file has a new generation.

Asking for the newest generations costs microseconds; a read of them costs DuckDB's planning and joins, 15 ms. So a
listing asks, and reads again only what changed. Sign-ins commit to `people` all day long: that layer has a mark made
of its own content, and what it did not change is kept. An owner's new name is written into the entries that are there.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from threading import Lock
from types import ModuleType
from weakref import WeakKeyDictionary

from agnes.access import service as access
from agnes.browse import curated, flea
from agnes.browse.catalogue import Catalogue, Content, GrantIndex, SubscriptionIndex, UsageIndex, VisibilityIndex
from agnes.browse.model import Figures, Usage
from agnes.kernel.errors import AgnesError
from agnes.kernel.garbage import no_garbage_collection
from agnes.kernel.state import Db, State
from agnes.marketplace import renamed
from agnes.marketplace.model import RESOURCE_TYPES
from agnes.stack import service as stack
from agnes.stack import serving
from agnes.telemetry import windows
from agnes.telemetry.model import ItemKey

SOURCES: tuple[ModuleType, ...] = (curated, flea)
"""Each a module with SOURCE, FILES, `entries(db)`, `holdings(db)` and `marks(db)`."""
SOURCE_NAMES = tuple(source.SOURCE for source in SOURCES)
SOURCE_FILES = tuple(dict.fromkeys(file for source in SOURCES for file in source.FILES))

log = logging.getLogger("agnes.browse")

FIGURES = "telemetry"
SHARED, STACKS = "flea", "stack"
FILES = ("people", STACKS, *SOURCE_FILES, FIGURES)
SPARED = (SHARED, STACKS)
"""State files without which the rest is shown, with a note."""
UNREADABLE = (-1, "")
"""In place of the generation of a file, where nobody can say which it is."""

Versions = dict[str, tuple[int, str]]
Marks = dict[tuple[str, str], int]
"""(source, user id) → what changes with what they added there."""


def catalogue(state: State) -> Catalogue:
    """The catalogue as a read would see it now."""
    cache = _caches.get(state)
    if cache is None:
        cache = _caches.setdefault(state, CatalogueCache())
    return cache.catalogue(state)


@dataclass(frozen=True)
class Made:
    """A catalogue, and what it was made from."""

    versions: Versions
    people_mark: int
    stack_marks: Marks
    catalogue: Catalogue


class CatalogueCache:
    def __init__(self) -> None:
        self._made: Made | None = None
        self._making = Lock()

    def catalogue(self, state: State) -> Catalogue:
        files = ("people", "stack", *SOURCE_FILES)
        with state.looking(*FILES):
            seen = {file: state.version_seen(file) for file in files if file not in SPARED}
            seen |= {file: _version_or_none(state, file) for file in (*SPARED, FIGURES)}
        made = self._made
        if made and _is_as_new(made.versions, seen):
            return made.catalogue
        with self._making:
            made = self._made
            if made is None or not _is_as_new(made.versions, seen):
                made = _newly_made(state, files, seen, made)
                self._made = made
            return made.catalogue


def _newly_made(state: State, files: Sequence[str], seen: Versions, made: Made | None) -> Made:
    """With figures if the state file `telemetry` can be read, else with those that were there before: whoever opens the
    marketplace must not need them."""
    if seen[FIGURES] != UNREADABLE:
        try:
            with state.read(*files, FIGURES, spare=SPARED) as db:
                without = frozenset(state.spared)
                return _renewed(db, seen, made, without=without) if made else _made(db, seen, without=without)
        except AgnesError as exc:
            if exc.status < 500:
                raise
            unreadable = exc
        # What is damaged stays so until a newer generation is there; a store that was away is asked again.
        if unreadable.code != "state_damaged":
            seen = {**seen, FIGURES: UNREADABLE}
    with state.read(*files, spare=SPARED) as db:
        log.error("the marketplace is shown without current figures: telemetry cannot be read")
        without = frozenset([*state.spared, FIGURES])
        return _renewed(db, seen, made, without=without) if made else _made(db, seen, without=without)


def _version_or_none(state: State, file: str) -> tuple[int, str]:
    try:
        return state.version_seen(file)
    except AgnesError as exc:
        if exc.status < 500:
            raise
        return UNREADABLE


def _is_as_new(made: Versions, seen: Versions) -> bool:
    """Another request may have met newer generations meanwhile; they only grow."""
    return made == seen or all(made[file][0] >= seen[file][0] for file in seen)


@no_garbage_collection()
def _made(db: Db, seen: Versions, *, without: Collection[str] = ()) -> Made:
    """Every layer. `without` are files that cannot be read: `db` has nothing in them."""
    content = _content(db, is_whole=SHARED not in without)
    measures = _usage_index(db, content) if FIGURES not in without else UsageIndex(content, {}, is_current=False)
    reach = _grant_index(db)
    return Made(
        seen,
        _mark_of_people(db),
        _marks_of_stacks(db),
        Catalogue(
            content,
            measures,
            reach,
            _holdings(db, content, reach),
            VisibilityIndex(content, measures, reach),
            knows_stacks=STACKS not in without,
        ),
    )


def _renewed(db: Db, seen: Versions, made: Made, *, without: Collection[str] = ()) -> Made:
    """Every layer whose files changed, made again; the others are kept."""
    changed = {file for file in seen if made.versions[file] != seen[file]}
    old = made.catalogue
    content = _content(db, is_whole=SHARED not in without) if changed & set(SOURCE_FILES) else old.content
    is_new = content is not old.content
    measures = old.measures
    if FIGURES in without:
        if is_new or measures.is_current:
            measures = UsageIndex(content, measures.of_item, is_current=False)
    elif is_new or FIGURES in changed or not measures.is_current:
        measures = _usage_index(db, content)
    mark = _mark_of_people(db) if is_new or "people" in changed else made.people_mark
    reach = _grant_index(db) if mark != made.people_mark else old.reach
    regrouped = reach is not old.reach
    if "people" in changed and not is_new:
        content = content.with_authors(flea.authors(db, content.owned_by))
    marks = _marks_of_stacks(db) if "stack" in changed else made.stack_marks
    if is_new or regrouped:
        holdings = _holdings(db, content, reach)
    elif "stack" in changed:
        holdings = _holdings_of_some(db, old, {user_id for (_, user_id), _ in marks.items() ^ made.stack_marks.items()})
    else:
        holdings = old.holdings
    seeing = (content, measures, reach)
    sights = old.sights if seeing == (old.content, old.measures, old.reach) else VisibilityIndex(*seeing)
    knows_stacks = STACKS not in without
    if sights is old.sights and holdings is old.holdings and knows_stacks == old.knows_stacks:
        return Made(seen, mark, marks, old)
    return Made(seen, mark, marks, Catalogue(content, measures, reach, holdings, sights, knows_stacks=knows_stacks))


def _content(db: Db, *, is_whole: bool) -> Content:
    entries = [entry for source in SOURCES for entry in source.entries(db)]
    return Content(entries, serving.plugins(db), is_whole=is_whole)


def _holdings(db: Db, content: Content, reach: GrantIndex) -> SubscriptionIndex:
    return SubscriptionIndex(content, reach, (row for source in SOURCES for row in source.holdings(db)), _required(db))


def _holdings_of_some(db: Db, old: Catalogue, users: set[str]) -> SubscriptionIndex:
    """As `_holdings`, of the same content and people: an add or a remove is one person's matter."""
    if _required(db) != old.holdings.given_required:
        return _holdings(db, old.content, old.reach)
    if not users:
        return old.holdings
    chosen = sorted(users)
    return old.holdings.with_other(chosen, (row for source in SOURCES for row in source.holdings(db, chosen)))


def _marks_of_stacks(db: Db) -> Marks:
    return {(source.SOURCE, user_id): mark for source in SOURCES for user_id, mark in source.marks(db)}


def _required(db: Db) -> dict[str, set[str]]:
    marked, moving = stack.required_grants(db), renamed.pending(db)
    required: dict[str, set[str]] = {}
    found = access.grants_by_group(db, RESOURCE_TYPES, grant_ids=marked) if marked else {}
    for group_id, grants in found.items():
        for _, resource in grants:
            required.setdefault(moving.get(resource, resource), set()).add(group_id)
    return required


def _usage_index(db: Db, content: Content) -> UsageIndex:
    return UsageIndex(content, _figures(db), windows.used_together(db))


def _figures(db: Db) -> dict[ItemKey, Figures]:
    return {ItemKey._make(row[:5]): Figures(Usage(*row[5:10]), *row[10:]) for row in windows.item_figures(db)}


def _mark_of_people(db: Db) -> int:
    """Changes with accounts, groups, memberships and grants, and with renames that grants have yet to follow; not with
    sign-ins."""
    return hash((access.fingerprint(db), *sorted(renamed.pending(db).items())))


def _grant_index(db: Db) -> GrantIndex:
    granted_to: dict[str, set[str]] = {}
    moving = renamed.pending(db)
    for group_id, grants in access.grants_by_group(db, RESOURCE_TYPES).items():
        for _, resource in grants:
            granted_to.setdefault(moving.get(resource, resource), set()).add(group_id)
    same: dict[frozenset[str], frozenset[str]] = {}
    """People in the same groups share one set."""

    def shared(groups: Collection[str]) -> frozenset[str]:
        key = frozenset(groups)
        return same.setdefault(key, key)

    return GrantIndex(
        {user_id: shared(groups) for user_id, groups in access.groups_by_user(db).items()},
        {resource: shared(groups) for resource, groups in granted_to.items()},
        dict(access.group_names(db)),
    )


_caches: WeakKeyDictionary[State, CatalogueCache] = WeakKeyDictionary()
