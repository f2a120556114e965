"""Browsing: one request, one answer. Everything is read through the catalogue; what only one page shows is read for
that page and remembered with the layer that it depends on."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import date, datetime
from urllib.parse import quote

from agnes.browse import curated, inside
from agnes.browse import listing as view
from agnes.browse.catalogue import Catalogue, Stack
from agnes.browse.detail import FileLine, InnerDetail, InnerLine, NeededBy, PluginDetail, Rollout, Together
from agnes.browse.entitled import Reader, adding
from agnes.browse.listing import ItemsQuery, item_of
from agnes.browse.model import (
    NO_FILES,
    NO_FILES_OF_SHARED,
    NO_SHARED,
    NO_STACKS,
    NO_WORDS,
    CategoryFacet,
    Document,
    Entry,
    Figures,
    Inner,
    Listing,
    Usage,
)
from agnes.browse.shelf import FILES as CATALOGUE_FILES
from agnes.browse.shelf import catalogue
from agnes.claude_code.components import BY_KIND
from agnes.flea.service import EntityNotFound
from agnes.kernel.errors import DeniedError, NotFoundError, UnavailableError
from agnes.kernel.ports import ObjectStore
from agnes.kernel.principal import Principal
from agnes.kernel.state import State
from agnes.marketplace.model import resource_id
from agnes.stack.resolution import is_name_taken
from agnes.telemetry.model import ItemKey

FILES = CATALOGUE_FILES
"""State files that every answer of this module comes from."""

TOGETHER = 4


def ahead(state: State, _store: ObjectStore) -> None:
    """Make what every answer of this module comes from, which takes the first request of a process longest."""
    catalogue(state)


class PluginNotFound(NotFoundError):
    code = "plugin_not_found"

    def __init__(self, marketplace_id: str, plugin: str) -> None:
        super().__init__(f"there is no plugin {plugin[:64]} in {marketplace_id[:64]}", hint="It may have been removed.")


class PluginNotGranted(DeniedError):
    code = "plugin_not_granted"

    def __init__(self, marketplace_id: str, plugin: str) -> None:
        super().__init__(
            f"{marketplace_id[:64]}/{plugin[:64]} is not granted to any of your groups",
            hint="Ask an admin for access.",
        )


class InnerNotFound(NotFoundError):
    def __init__(self, kind: str, name: str, plugin: str) -> None:
        super().__init__(
            f"there is no {kind} {name[:64]} in {plugin}",
            code=f"{kind}_not_found",
            hint="It may have been renamed: see what is in the plugin.",
        )


class FileNotFound(NotFoundError):
    code = "file_not_found"

    def __init__(self, path: str) -> None:
        super().__init__(f"the plugin has no file {path[:100]!r} that can be shown")


def listing(state: State, who: Principal, query: ItemsQuery, *, now: datetime) -> Listing:
    """The page of items that the person asked for, with everything that the page around it shows."""
    return view.listing(catalogue(state), who, query, now=now)


def holder_counts(state: State) -> Mapping[str, int] | None:
    """`<slug>/<plugin>` → people who have it, of what can be browsed; from the catalogue that the pages use.

    None where a state file that says so is damaged: nobody should take that for nobody.
    """
    known = catalogue(state)
    if not known.knows_stacks:
        return None
    return {resource: known.holdings.counts[number] for resource, number in known.content.granted.items()}


def categories(state: State, who: Principal, query: ItemsQuery, *, now: datetime) -> tuple[CategoryFacet, ...]:
    """Categories of a tab with their counts, alphabetical, without those that hold nothing."""
    return view.categories(catalogue(state), who, query, now=now)


def plugin_detail(
    state: State, store: ObjectStore, who: Principal, marketplace_id: str, name: str, *, today: date
) -> PluginDetail:
    """One curated plugin. Raises PluginNotGranted (before existence is told) or PluginNotFound."""
    known, number = _curated(state, who, marketplace_id, name)
    return _detail(state, store, who, known, number, today=today)


def entity_detail(state: State, store: ObjectStore, who: Principal, entity_id: str, *, today: date) -> PluginDetail:
    """One flea entity. Raises EntityNotFound, also for what the person may not see."""
    known, number = _flea(state, who, entity_id)
    return _detail(state, store, who, known, number, today=today)


def _detail(
    state: State, store: ObjectStore, who: Principal, known: Catalogue, number: int, *, today: date
) -> PluginDetail:
    stack = known.stack_of(who)
    entry = _as_given(state, known, number, who, stack)
    item = item_of(known, number, who, stack)
    visible = known.sights.of(who).numbers
    together = [(n, sessions) for n, sessions in known.measures.together.get(number, ()) if n in visible][:TOGETHER]
    shown = {n for n, _ in together}
    beside = [n for n, _ in known.holdings.together(number) if n in visible and n not in shown][:TOGETHER]
    content = inside.contents(store, entry)
    notices = [_no_files(entry)] if content.is_damaged else []
    notices += known.notices
    adds, cannot_add = _adding(known, number, who, stack)
    return PluginDetail(
        entry=entry,
        item=item,
        is_granted=number in visible,
        figures=known.measures.of_entry[number],
        lines=tuple(_line(known, entry, number, inner) for inner in entry.inner),
        files=content.files,
        docs=entry.words.documents or tuple(_document(entry, file) for file in inside.documents(content.files)),
        capabilities=content.capabilities,
        changes=inside.changes(state, known, entry),
        together=tuple(Together(item_of(known, n, who, stack), sessions) for n, sessions in together),
        same_stacks=tuple(item_of(known, n, who, stack) for n in beside),
        more=tuple(item_of(known, n, who, stack) for n in _more(known, number, visible)),
        is_own=entry.owner_id == who.user_id,
        daily_series=inside.daily(state, known, entry, entry.item_key, today=today),
        readme=content.readme,
        body=content.body,
        adds=tuple(item_of(known, n, who, stack) for n in adds),
        cannot_add=cannot_add,
        is_refused=bool(cannot_add) and not is_name_taken(cannot_add),
        needed_by=_needed_by(known, number, visible, stack),
        rollout=_rollout(known, number, who),
        notice=" ".join(notices),
    )


def _more(known: Catalogue, number: int, visible: Collection[int]) -> list[int]:
    """What else its owner shares and anybody may add, as far as the person sees it."""
    entries = known.content.entries
    others = known.content.owned_by.get(entries[number].owner_id, ())
    return [n for n in others if n != number and n in visible and entries[n].status == "approved"][:TOGETHER]


def _as_given(state: State, known: Catalogue, number: int, who: Principal, stack: Stack) -> Entry:
    """The entry in the version that the person gets."""
    entry, given = known.content.entries[number], known.given(number, who, stack)
    if given is None or (given.tree_id, given.version) == (entry.tree_id, entry.version):
        return entry
    key = ("version", entry.id, given.tree_id, given.version)
    found = known.content.remembered.get(key)
    if found is None:
        with state.read("marketplace") as db:
            found = curated.version_of(db, entry, given)
        known.content.remembered.put(key, found)
    return found


def _adding(known: Catalogue, number: int, who: Principal, stack: Stack) -> tuple[list[int], str]:
    """(what would come with an entry that the person does not have, why it would not be served), if they added it."""
    content, visible = known.content, known.sights.of(who).numbers
    if number in stack.held or number not in visible:
        return [], ""
    own = [n for n in stack.counting if n in stack.held]
    added, reason = adding(content, Reader(visible, who.group_ids, known.reach), own, number)
    return sorted(added, key=lambda n: (content.entries[n].title.lower(), content.entries[n].id)), reason


def _needed_by(known: Catalogue, number: int, visible: Collection[int], stack: Stack) -> tuple[NeededBy, ...]:
    entries, key = known.content.entries, known.content.entries[number].key
    found = []
    for by in known.content.needing.get(number, ()):
        if by in visible:
            wanted = next((need.range for need in entries[by].needs if need.resource_id == key), "")
            one = entries[by]
            found.append(NeededBy(one.title, one.marketplace_name, wanted, one.detail_url, by in stack.held))
    return tuple(sorted(found, key=lambda line: not line.installed))


def _rollout(known: Catalogue, number: int, who: Principal) -> Rollout | None:
    shelved = known.content.plugins.by_resource.get(known.content.entries[number].grant)
    if shelved is None or shelved.for_group is None or shelved.group_id is None:
        return None
    usual = shelved.for_all.version if shelved.for_all else ""
    if shelved.for_group.version == usual:
        return None
    is_mine = shelved.group_id in who.group_ids
    name = known.reach.group_names.get(shelved.group_id, "") if is_mine or who.is_admin else ""
    return Rollout(shelved.for_group.version, name, is_mine, usual)


def inner_detail(
    state: State,
    store: ObjectStore,
    who: Principal,
    *,
    marketplace_id: str,
    plugin: str,
    kind: str,
    name: str,
    today: date,
) -> InnerDetail:
    """A skill or agent of a curated plugin, by its name or the one that its front matter declares.

    Raises PluginNotGranted, PluginNotFound or InnerNotFound (`skill_not_found`, `agent_not_found`).
    """
    known, number = _curated(state, who, marketplace_id, plugin)
    return _inner_detail(state, store, who, known, number, kind=kind, name=name, today=today)


def entity_inner_detail(
    state: State, store: ObjectStore, who: Principal, *, entity_id: str, kind: str, name: str, today: date
) -> InnerDetail:
    """A skill or agent of a flea plugin. Raises EntityNotFound or InnerNotFound."""
    known, number = _flea(state, who, entity_id)
    return _inner_detail(state, store, who, known, number, kind=kind, name=name, today=today)


def _inner_detail(
    state: State,
    store: ObjectStore,
    who: Principal,
    known: Catalogue,
    number: int,
    *,
    kind: str,
    name: str,
    today: date,
) -> InnerDetail:
    stack = known.stack_of(who)
    entry = _as_given(state, known, number, who, stack)
    inner = _find_inner(entry, kind, name)
    if inner is None:
        raise InnerNotFound(kind, name, entry.name)
    line = _line(known, entry, number, inner)
    content = inside.contents_of(store, entry, inner)
    return InnerDetail(
        parent=entry,
        parent_item=item_of(known, number, who, stack),
        line=line,
        body=content.body,
        files=content.files,
        bundle_size=sum(file.size for file in content.files),
        daily_series=inside.daily(state, known, entry, _key(entry, inner), today=today),
        notice=_no_files(entry) if content.is_damaged else "",
    )


def document(state: State, store: ObjectStore, who: Principal, *, marketplace_id: str, plugin: str, path: str) -> bytes:
    """A document of a curated plugin. Raises FileNotFound, PluginNotGranted, PluginNotFound, UnsupportedError."""
    known, number = _curated(state, who, marketplace_id, plugin)
    return _document_of(store, _as_given(state, known, number, who, known.stack_of(who)), path)


def entity_document(state: State, store: ObjectStore, who: Principal, *, entity_id: str, path: str) -> bytes:
    """A document of a flea entity. Raises FileNotFound, EntityNotFound, UnsupportedError."""
    known, number = _flea(state, who, entity_id)
    return _document_of(store, known.content.entries[number], path)


def _document_of(store: ObjectStore, entry: Entry, path: str) -> bytes:
    found = inside.document(store, entry, path)
    if found is None:
        raise FileNotFound(path)
    return found


def _curated(state: State, who: Principal, marketplace_id: str, name: str) -> tuple[Catalogue, int]:
    """The catalogue and the plugin's number in it, if the person may see it; admins look after what they were not
    granted, too, which does not put it into their listing or stack."""
    known = catalogue(state)
    resource = resource_id(marketplace_id, name)
    number = known.content.granted.get(resource)
    if number is not None and (who.is_admin or number in known.sights.of(who).numbers):
        return known, number
    if who.is_admin or not who.group_ids.isdisjoint(known.reach.groups_granted(resource)):
        raise PluginNotFound(marketplace_id, name)
    raise PluginNotGranted(marketplace_id, name)


def _flea(state: State, who: Principal, entity_id: str) -> tuple[Catalogue, int]:
    """The catalogue and the entity's number in it, if the person may see it. Who has it may see it when it is archived,
    so that it can be taken off."""
    known = catalogue(state)
    number = known.content.number_of.get(f"flea-{entity_id}")
    if number is None or not (
        number in known.sights.of(who).numbers
        or number in known.held_by(who)
        or known.content.entries[number].owner_id == who.user_id
    ):
        if not known.knows_stacks:  # somebody may have it, though it is archived
            raise UnavailableError(
                NO_STACKS, code="state_damaged", hint="An operator runs agnes-local state check stack."
            )
        if not known.content.is_whole:
            raise UnavailableError(
                NO_SHARED, code="state_damaged", hint="An operator runs agnes-local state check flea."
            )
        raise EntityNotFound(entity_id)
    return known, number


def _no_files(entry: Entry) -> str:
    """A marketplace is synced again; what somebody shared is stored nowhere else."""
    return NO_FILES if entry.source == "curated" else NO_FILES_OF_SHARED


def _document(entry: Entry, file: FileLine) -> Document:
    """A document's path is one segment: the API has no greedy paths."""
    folder = (
        f"/api{entry.detail_url}/doc"
        if entry.source == "curated"
        else f"/api/store/entities/{entry.marketplace_id}/docs"
    )
    url = f"{folder}/{quote(file.path, safe='')}"
    return Document(file.path.removeprefix("docs/"), url, file.size)


def _find_inner(entry: Entry, kind: str, name: str) -> Inner | None:
    of_kind = [inner for inner in entry.inner if inner.kind == kind]
    by_place = next((inner for inner in of_kind if inner.name == name), None)
    declared = by_place or next((inner for inner in of_kind if inner.declared_name == name), None)
    # Links to agents were once made of their files' names.
    return declared or next((inner for inner in of_kind if kind == "agent" and inner.stem == name), None)


def _key(entry: Entry, inner: Inner) -> ItemKey:
    return entry.item_key._replace(kind=inner.kind, name=inner.name)


def _line(known: Catalogue, entry: Entry, number: int, inner: Inner) -> InnerLine:
    figures = known.measures.of_item.get(_key(entry, inner), Figures())
    used = figures.usage
    words = entry.inner_words.get((inner.kind, inner.name), NO_WORDS)
    return InnerLine(
        inner=inner,
        words=words,
        usage=Usage(
            used.invocations_30d,
            used.distinct_users_30d,
            used.invocations_7d,
            used.distinct_users_7d,
            used.trend_pct,
            known.holdings.counts[number],
            entry.title,
        ),
        figures=figures,
        detail_url=f"{entry.detail_url}/{inner.kind}/{inner.name}" if inner.kind in ("skill", "agent") else "",
        invocation=words.invocation or _invocation(entry, inner),
    )


def _invocation(entry: Entry, inner: Inner) -> str:
    """What Claude Code knows it by; a person types it with a slash, a subagent is asked for by name."""
    row = BY_KIND.get(inner.kind)
    return row.written.format(plugin=entry.prefix or entry.name, name=inner.name) if row else ""
