"""What of a stack is served, in which version and for whose sake: decided over the catalogue's entries as the feed
decides it."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from agnes.browse.model import Entry
from agnes.stack import resolution
from agnes.stack.entitlement import NO_VERSION_CLAUSE, NOT_GRANTED_CLAUSE
from agnes.stack.plugins import Plugins
from agnes.stack.resolution import Candidate, Resolution


class Grants(Protocol):
    """The part of the catalogue's reach that is asked."""

    def groups_granted(self, plugin: str) -> frozenset[str]: ...


class Entries(Protocol):
    """The part of the catalogue's content that is asked."""

    entries: tuple[Entry, ...]
    contested: frozenset[int]
    varying: frozenset[int]
    granted: dict[str, int]
    number_of_key: dict[str, int]
    plugins: Plugins


@dataclass(frozen=True, slots=True)
class Decided:
    """By numbers of entries."""

    unserved: Mapping[int, str] = field(default_factory=dict)
    """What is in a stack and not served → why."""
    needed: Mapping[int, tuple[int, ...]] = field(default_factory=dict)
    """What is served and needed by others that are served → those."""
    chosen: Mapping[int, Candidate] = field(default_factory=dict)
    """What is served → in which version. What nothing was to be decided about is not in it."""


@dataclass(frozen=True, slots=True)
class Reader:
    """Who asks: what they may see, and their groups."""

    visible: Collection[int]
    group_ids: Collection[str]
    reach: Grants

    def why_none(self, content: Entries, resource: str) -> str:
        """Why they may be served no version of a plugin that they do not see, in the feed's words."""
        reason = content.plugins.unavailable(resource)
        if reason:
            return reason
        if self.reach.groups_granted(resource).isdisjoint(self.group_ids) and resource not in content.plugins.system:
            return NOT_GRANTED_CLAUSE
        return NO_VERSION_CLAUSE


def decided(content: Entries, reader: Reader, counting: Iterable[int]) -> Decided:
    """What of a stack is served; `counting` is what is in it."""
    entries, counting = content.entries, list(counting)
    depends = any(entries[n].needs or n in content.varying for n in counting)
    chosen = counting if depends else [n for n in counting if n in content.contested]
    if not chosen:
        return Decided()
    found = {n: entries[n].blocked for n in chosen if entries[n].blocked}
    made = _decide(content, reader, [n for n in chosen if n not in found])
    number_of = content.number_of_key
    return Decided(
        found | {number_of[key]: reason.text for key, reason in made.withheld.items()},
        {
            number_of[key]: tuple(sorted(number_of[by] for by in one.required_by))
            for key, one in made.served.items()
            if one.required_by
        },
        {number_of[key]: one.candidate for key, one in made.served.items()},
    )


def adding(content: Entries, reader: Reader, counting: Iterable[int], number: int) -> tuple[frozenset[int], str]:
    """(what would be served beside it for its sake, why it could not be served) if an entry were added to a stack."""
    entries, before = content.entries, [n for n in counting if n != number and not content.entries[n].blocked]
    if entries[number].blocked:
        return frozenset(), entries[number].blocked
    after = _decide(content, reader, before, number)  # what is there goes first, as where it is added
    reason = after.withheld.get(entries[number].key)
    if reason:
        return frozenset(), reason.text
    new = after.served.keys() - _decide(content, reader, before).served.keys() - {entries[number].key}
    return frozenset(content.number_of_key[key] for key in new), ""


def candidates(content: Entries, reader: Reader, number: int) -> list[Candidate]:
    """Versions of an entry that somebody may be served, the one that they get first."""
    entry = content.entries[number]
    if entry.grant not in content.plugins.by_resource:
        return [Candidate(entry.key, entry.claim, entry.version, entry.needs)]
    return content.plugins.candidates(entry.grant, reader.group_ids)


def _decide(content: Entries, reader: Reader, own: Iterable[int], *last: int) -> Resolution:
    """`last` come behind what is in the feed's order."""
    entries = content.entries

    def lookup(resource: str) -> Sequence[Candidate] | str:
        number = content.granted.get(resource)
        if number is None or number not in reader.visible:
            return reader.why_none(content, resource)
        return candidates(content, reader, number) or NO_VERSION_CLAUSE

    # In the feed's order: curated ones as in the stack, then flea ones, the oldest first.
    claiming = sorted(
        own, key=lambda n: (entries[n].source != "curated", entries[n].order_in_stack, entries[n].added, entries[n].id)
    )
    wanted = [candidates(content, reader, n) for n in (*claiming, *last)]
    return resolution.decide([versions for versions in wanted if versions], lookup)
