"""Names and dependencies resolved for one person: what of what they have can be served, and why the rest cannot. Pure.

A plugin is served with everything that it needs, or not at all:

- What a person has themselves is taken in the feed's order, each with what it needs. What cannot be completed is withheld
  with the reason, and the others are not touched by it.
- A dependency must be one that the person may have, and its version within every range that something served with it
  declares. Where the version that they would get is not, an older one that may be served is taken; for nothing else is.
- Plugins may need each other in a circle.
- A name belongs to the first that has it: what people have themselves before what is added for its sake. Names are
  compared without case: two folders that differ in case only are one on a laptop.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from agnes.claude_code import dependencies
from agnes.marketplace.model import Need
from agnes.stack.model import MISSING_DEPENDENCY, NAME_CONFLICT, NAME_TAKEN, OUT_OF_RANGE, Claim, Reason, name_taken

MISSING = "missing dependency: "


@dataclass(frozen=True, slots=True)
class Candidate:
    """A version of something that could be served."""

    key: str
    """What it is a version of: `<slug>/<plugin>`, or another id of what nothing depends on."""
    claim: Claim
    version: str
    needs: tuple[Need, ...] = ()
    value: Any = None
    """The caller's own."""


Lookup = Callable[[str], Sequence[Candidate] | str]
"""Key → versions that the person may have, the one that they would get first; or why there are none, as a clause that
follows the name, such as `is not granted to any of your groups`."""


@dataclass(frozen=True, slots=True)
class Resolved:
    """Something that is served."""

    candidate: Candidate
    is_own: bool
    """The person has it themselves: added, required or a system plugin."""
    required_by: tuple[str, ...]
    """Keys of what is served and needs it, sorted."""


@dataclass
class Resolution:
    served: dict[str, Resolved] = field(default_factory=dict)
    withheld: dict[str, Reason] = field(default_factory=dict)
    """Key of what a person has and is not served → the reason."""


def decide(wanted: Sequence[Sequence[Candidate]], lookup: Lookup) -> Resolution:
    """Settle what a person is served. `wanted` is what they have, in order of precedence, each with the versions that it
    may be served in, the preferred one first; none of them is empty."""
    return _without_needs(wanted) or _Choice(wanted, lookup).made()


def missing(candidates: Sequence[Candidate], wanted: Sequence[Sequence[Candidate]], lookup: Lookup) -> Reason | None:
    """Why one more plugin could not be served beside what a person has; None if it can."""
    key = candidates[0].key
    before = [one for one in wanted if one[0].key != key]
    return decide([*before, candidates], lookup).withheld.get(key)


def is_name_taken(text: str) -> bool:
    """Whether a reason is no more than that another thing has the name: one may have both, and choose later."""
    return text.startswith(NAME_TAKEN)


def _without_needs(wanted: Sequence[Sequence[Candidate]]) -> Resolution | None:
    """The answer where nothing needs anything, which is the rule; None where something does."""
    found = Resolution()
    holders: dict[str, Candidate] = {}
    for candidates in wanted:
        first = candidates[0]
        if first.needs:
            return None
        holder = holders.setdefault(first.claim.name.casefold(), first)
        if holder is first:
            found.served[first.key] = Resolved(first, is_own=True, required_by=())
        else:
            found.withheld[first.key] = Reason(NAME_CONFLICT, name_taken(holder.claim), holder.key)
    return found


class _Choice:
    def __init__(self, wanted: Sequence[Sequence[Candidate]], lookup: Lookup) -> None:
        self._own = {candidates[0].key: candidates for candidates in wanted}
        self._lookup = lookup
        self._found: dict[str, Sequence[Candidate] | str] = {}
        """What was looked up."""
        self._withheld: dict[str, Reason] = {}
        self._holder: dict[str, tuple[str, Claim]] = {}
        """Name without case → what has it: its key, its claim."""
        self._chosen: dict[str, tuple[int, Candidate]] = {}
        """Key → place among its candidates, candidate."""
        self._ranges: dict[str, dict[str, str]] = {}
        """Key → key of what needs it → range."""

    def made(self) -> Resolution:
        # First with every name kept for the first of the person's own that wants it.
        for candidates in self._own.values():
            first = candidates[0]
            self._holder.setdefault(first.claim.name.casefold(), (first.key, first.claim))
        self._add_each(tuple(self._own))
        self._forget_unneeded()
        # What cannot be served holds no name: the next of that name, and what needs it, have their turn.
        while self._withheld and self._add_each(tuple(self._withheld)):
            self._forget_unneeded()
        return self._result()

    def _add_each(self, keys: Sequence[str]) -> bool:
        """Whether any of them could be added."""
        before = len(self._withheld)
        for key in keys:
            reason = self._add(key)
            if reason is None:
                self._withheld.pop(key, None)
            elif reason.kind == MISSING_DEPENDENCY or not self._is_lacking(key):
                self._withheld[key] = reason
        return len(self._withheld) < before

    def _is_lacking(self, key: str) -> bool:
        """Whether a dependency is the reason that it was withheld for before."""
        before = self._withheld.get(key)
        return before is not None and before.kind == MISSING_DEPENDENCY

    def _forget_unneeded(self) -> None:
        kept = self._needed_by()
        self._chosen = {key: found for key, found in self._chosen.items() if key in kept}
        self._ranges = {
            key: of for key, ranges in self._ranges.items() if (of := {by: r for by, r in ranges.items() if by in kept})
        }
        self._holder = {c.claim.name.casefold(): (c.key, c.claim) for _, c in self._chosen.values()}

    def _needed_by(self) -> dict[str, set[str]]:
        """Everything that is chosen and of the person's own, or needed by that → keys of what needs it."""
        todo = [key for key in self._own if key in self._chosen and key not in self._withheld]
        found: dict[str, set[str]] = {key: set() for key in todo}
        while todo:
            key = todo.pop()
            for need in self._chosen[key][1].needs:
                if need.resource_id not in found:
                    found[need.resource_id] = set()
                    todo.append(need.resource_id)
                if need.resource_id != key:
                    found[need.resource_id].add(key)
        return found

    def _result(self) -> Resolution:
        served = {
            key: Resolved(self._chosen[key][1], key in self._own and key not in self._withheld, tuple(sorted(by)))
            for key, by in self._needed_by().items()
        }
        return Resolution(served, self._withheld)

    def _add(self, key: str) -> Reason | None:
        """Take something with what it needs; the reason if that cannot be, and then nothing is changed."""
        chosen: dict[str, tuple[int, Candidate]] = {}
        ranges: dict[str, dict[str, str]] = {}
        names: dict[str, tuple[str, Claim]] = {}
        todo: list[tuple[str, str | None]] = [(key, None)]
        """(key, name of what needs it)."""
        while todo:
            wanted, by = todo.pop(0)
            candidates = self._candidates(wanted)
            if isinstance(candidates, str):
                return Reason(MISSING_DEPENDENCY, f"{MISSING}{_named(wanted, by, key)} {candidates}", wanted)
            claim = candidates[0].claim
            name = claim.name.casefold()
            holding, holder = self._holder.get(name) or names.setdefault(name, (wanted, claim))
            if holder != claim:
                taken = name_taken(holder)
                if by is None:
                    return Reason(NAME_CONFLICT, taken, holding)
                text = f"{MISSING}{_named(wanted, by, key)} cannot be served: {taken}"
                return Reason(MISSING_DEPENDENCY, text, wanted)
            at, before = chosen.get(wanted) or self._chosen.get(wanted) or (0, None)
            asked = ranges.get(wanted, self._ranges.get(wanted, {}))
            # Only ever an older one: what needs it may have been chosen because of it.
            place = next((n for n in range(at, len(candidates)) if _fits(candidates[n], asked)), None)
            if place is None:
                excluded = _out_of_range(candidates[0], asked)
                if by is None:
                    return Reason(OUT_OF_RANGE, f"it {excluded}", "")
                return Reason(MISSING_DEPENDENCY, f"{MISSING}{_named(wanted, by, key)} {excluded}", wanted)
            candidate = candidates[place]
            if before is not None and place == at:
                continue
            for need in before.needs if before is not None else ():
                ranges[need.resource_id] = dict(ranges.get(need.resource_id, self._ranges.get(need.resource_id, {})))
                ranges[need.resource_id].pop(wanted, None)
            chosen[wanted] = place, candidate
            for need in candidate.needs:
                if not need.resource_id:
                    text = f"{MISSING}{_text(need)} is of a marketplace that is not registered"
                    return Reason(MISSING_DEPENDENCY, text, f"{need.marketplace}/{need.name}")
                if need.range:
                    of = dict(ranges.get(need.resource_id, self._ranges.get(need.resource_id, {})))
                    ranges[need.resource_id] = of | {wanted: need.range}
                todo.append((need.resource_id, wanted))
        self._chosen |= chosen
        self._ranges |= ranges
        self._holder |= {name: held for name, held in names.items() if name not in self._holder}
        return None

    def _candidates(self, key: str) -> Sequence[Candidate] | str:
        """Of what a person has themselves, too: what was withheld is looked at again as a dependency."""
        found = self._own.get(key) or self._found.get(key)
        if found is None:
            found = self._found[key] = self._lookup(key)
        return found


def _fits(candidate: Candidate, asked: dict[str, str]) -> bool:
    return all(dependencies.is_within(candidate.version, wanted) for wanted in asked.values())


def _named(key: str, by: str | None, of: str) -> str:
    """`charts of acme`, and what needs it if that is another dependency."""
    marketplace, _, name = key.partition("/")
    needed = f" (needed by {by.partition('/')[2]})" if by is not None and by != of else ""
    return f"{name} of {marketplace}{needed}"


def _text(need: Need) -> str:
    return f"{need.name} of {need.marketplace}"


def _out_of_range(preferred: Candidate, asked: dict[str, str]) -> str:
    wanted = sorted({f"{by.partition('/')[2]} needs {wanted}" for by, wanted in asked.items()})
    shown = preferred.version.partition("+")[0]
    return f"is served as {shown}, and {' and '.join(wanted)}"
