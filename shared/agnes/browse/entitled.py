"""What of a stack is served, and for whose sake: decided over the catalogue's entries as the feed decides it."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Protocol

from agnes.browse.model import Entry
from agnes.stack import entitlement
from agnes.stack.entitlement import Candidate

NO_REASONS: Mapping[int, str] = MappingProxyType({})
NO_NEEDS: Mapping[int, tuple[int, ...]] = MappingProxyType({})


class Entries(Protocol):
    """The part of the catalogue's content that is asked."""

    entries: tuple[Entry, ...]
    contested: frozenset[int]
    granted: dict[str, int]
    number_of_key: dict[str, int]
    unlisted: Mapping[str, str]


def decided(
    content: Entries, visible: Collection[int], counting: Iterable[int]
) -> tuple[Mapping[int, str], Mapping[int, tuple[int, ...]]]:
    """(what is in a stack and not served → why, what is served for others' sake → those), by numbers of entries.

    `counting` is what is in the stack, `visible` what the person may see.
    """
    entries, counting = content.entries, list(counting)
    depends = any(entries[n].needs for n in counting)
    chosen = counting if depends else [n for n in counting if n in content.contested]
    if not chosen:
        return NO_REASONS, NO_NEEDS
    found = {n: entries[n].blocked for n in chosen if entries[n].blocked}
    # In the feed's order: curated ones as in the stack, then flea ones, the oldest first.
    claiming = sorted(
        (n for n in chosen if n not in found),
        key=lambda n: (entries[n].source != "curated", entries[n].order_in_stack, entries[n].added, entries[n].id),
    )

    def lookup(resource: str) -> Sequence[Candidate] | str:
        number = content.granted.get(resource)
        if number is None:
            return content.unlisted.get(resource) or f"is not in the catalog of {resource.partition('/')[0]}"
        return [_candidate(entries[number])] if number in visible else "is not granted to any of your groups"

    made = entitlement.decide([[_candidate(entries[n])] for n in claiming], lookup)
    number_of = content.number_of_key
    reasons = {number_of[key]: reason for key, reason in made.withheld.items()}
    needed = {
        number_of[key]: tuple(sorted(number_of[by] for by in one.required_by))
        for key, one in made.served.items()
        if one.required_by
    }
    return found | reasons, needed


def _candidate(entry: Entry) -> Candidate:
    return Candidate(entry.key, entry.claim, entry.version, entry.needs)
