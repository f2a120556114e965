"""Browsing: one request, one answer. Everything is read through the catalogue; what only one page shows is read for
that page and remembered with the layer that it depends on."""

from __future__ import annotations

from collections.abc import Collection
from datetime import date, datetime
from urllib.parse import quote

from agnes.browse import inside
from agnes.browse import listing as view
from agnes.browse.catalogue import Catalogue, Stack
from agnes.browse.detail import FileLine, InnerDetail, InnerLine, NeedLine, PluginDetail, Together
from agnes.browse.listing import ItemsQuery, item_of
from agnes.browse.model import (
    NO_FIGURES,
    NO_FILES,
    NO_WORDS,
    CategoryFacet,
    Document,
    Entry,
    Figures,
    Inner,
    Listing,
    Usage,
)
from agnes.browse.shelf import catalogue
from agnes.claude_code.dependencies import is_within
from agnes.flea.service import EntityNotFound
from agnes.kernel.errors import DeniedError, NotFoundError
from agnes.kernel.ports import ObjectStore
from agnes.kernel.principal import Principal
from agnes.kernel.state import State
from agnes.marketplace.model import Need, resource_id

TOGETHER = 4


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
    entry = known.content.entries[number]
    stack = known.stack_of(who)
    visible = known.sights.of(who).numbers
    together = [(n, sessions) for n, sessions in known.measures.together.get(number, ()) if n in visible][:TOGETHER]
    shown = {n for n, _ in together}
    beside = [n for n, _ in known.holdings.together(number) if n in visible and n not in shown][:TOGETHER]
    content = inside.contents(store, entry)
    notices = [NO_FILES] if content.is_damaged else []
    notices += [] if known.measures.is_current else [NO_FIGURES]
    return PluginDetail(
        entry=entry,
        item=item_of(known, number, who, stack),
        is_granted=number in visible,
        figures=known.measures.of_entry[number],
        lines=tuple(_line(known, entry, number, inner) for inner in entry.inner),
        files=content.files,
        docs=entry.words.documents or tuple(_document(entry, file) for file in inside.documents(content.files)),
        capabilities=content.capabilities,
        changes=inside.changes(state, known, entry),
        together=tuple(Together(item_of(known, n, who, stack), sessions) for n, sessions in together),
        same_stacks=tuple(item_of(known, n, who, stack) for n in beside),
        daily_series=inside.daily(state, known, entry, entry.item_key, today=today),
        readme=content.readme,
        body=content.body,
        needs=tuple(_need(known, need, visible, stack) for need in entry.needs),
        notice=" ".join(notices),
    )


def _need(known: Catalogue, need: Need, visible: Collection[int], stack: Stack) -> NeedLine:
    number = known.content.granted.get(need.resource_id)
    entry = known.content.entries[number] if number is not None and number in visible else None
    if not need.resource_id:
        problem = f"The marketplace {need.marketplace} is not registered."
    elif number is None:
        problem = (known.content.unlisted.get(need.resource_id) or "is not in the catalog").capitalize() + "."
    elif entry is None:
        problem = "It is not granted to any of your groups."
    elif need.range and not is_within(entry.version, need.range):
        problem = f"Version {entry.version.partition('+')[0]} is served."
    else:
        problem = ""
    return NeedLine(
        name=need.name,
        title=entry.title if entry else need.name,
        marketplace=need.marketplace,
        range=need.range,
        detail_url=entry.detail_url if entry else "",
        installed=number is not None and number in stack.held,
        problem=problem,
    )


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
    entry = known.content.entries[number]
    inner = _find_inner(entry, kind, name)
    if inner is None:
        raise InnerNotFound(kind, name, entry.name)
    line = _line(known, entry, number, inner)
    content = inside.contents_of(store, entry, inner)
    return InnerDetail(
        parent=entry,
        parent_item=item_of(known, number, who, known.stack_of(who)),
        line=line,
        body=content.body,
        files=content.files,
        bundle_size=sum(file.size for file in content.files),
        daily_series=inside.daily(state, known, entry, _key(entry, inner), today=today),
        notice=NO_FILES if content.is_damaged else "",
    )


def document(state: State, store: ObjectStore, who: Principal, *, marketplace_id: str, plugin: str, path: str) -> bytes:
    """A document of a curated plugin. Raises FileNotFound, PluginNotGranted, PluginNotFound, UnsupportedError."""
    known, number = _curated(state, who, marketplace_id, plugin)
    return _document_of(store, known.content.entries[number], path)


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
    granted, too (spec/02 §1), which does not put it into their listing or stack."""
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
        raise EntityNotFound(entity_id)
    return known, number


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


def _key(entry: Entry, inner: Inner) -> tuple[str, str, str, str, str]:
    source, marketplace_id, plugin, _, _ = entry.item_key
    return source, marketplace_id, plugin, inner.kind, inner.name


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
    if inner.kind in ("skill", "command", "workflow"):
        return f"/{entry.prefix or entry.name}:{inner.name}"
    return f"@agent-{entry.prefix or entry.name}:{inner.name}" if inner.kind == "agent" else ""
