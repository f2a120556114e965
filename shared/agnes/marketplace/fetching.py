"""Reading plugins of other places: fetched side by side, one fetch for all plugins of one commit, each with its own outcome.

What can never change (a commit by its id, an archive by its SHA-256) is fetched once; of other repositories the refs are asked
for first. A sync that runs out of time leaves the others for the next one, which begins with them.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from agnes.claude_code.sources import HEADERS
from agnes.kernel.git import GitFailed, GitRefused, GitTooLarge, GitUnreachable
from agnes.kernel.ports import ObjectStore
from agnes.kernel.web import WebFailed, WebRefused, WebUnreachable
from agnes.marketplace.external import External, NoTimeLeft, Place, Target, is_pinned, target_of
from agnes.marketplace.limits import EXTERNAL_PARALLEL, MIN_EXTERNAL_SECONDS
from agnes.marketplace.manifest import Listed
from agnes.marketplace.model import Plugin
from agnes.marketplace.reading import NO_ROOM, READING_FORMAT, WAITING, Reading, read_folder
from agnes.marketplace.sources import EXTERNAL_KINDS, Inside, Outside, SourceInvalid, locate
from agnes.trees.packaging import PACKAGING_FORMAT


@dataclass(frozen=True, slots=True)
class _Wanted:
    """A plugin of another place."""

    listed: Listed
    kind: str
    target: Target
    known: Plugin | None

    @property
    def fingerprint(self) -> str:
        """Of its source and entry; with a commit behind it, of everything that the content is made of."""
        made_of = [READING_FORMAT, PACKAGING_FORMAT, self.listed.raw]
        made_of += [self.listed.names.mark] if self.listed.names.mark else []
        return hashlib.sha256(json.dumps(made_of, sort_keys=True).encode()).hexdigest()

    @property
    def place(self) -> Inside:
        folder = self.target.folder if isinstance(self.target, Place) else ""
        return Inside(self.kind, (folder,), within=folder)

    @property
    def known_commit(self) -> str | None:
        """The commit that it was read from, if nothing else of it has changed."""
        fingerprint, _, commit = ((self.known and self.known.fingerprint) or "").partition("@")
        return commit or None if fingerprint == self.fingerprint else None

    def failed(self, problem: str) -> Reading:
        return Reading(self.listed, self.kind, problem=problem)

    def waiting(self, problem: str = WAITING) -> Reading:
        return Reading(self.listed, self.kind, problem=problem, is_waiting=True)


Key = tuple[object, ...]
"""Of what is fetched: see `_key`."""


@dataclass(slots=True)
class Room:
    """Bytes of new content that a sync still takes. What is being read when it is used up is taken whole."""

    left: int

    def use(self, reading: Reading) -> None:
        if reading.content is not None:
            self.left -= reading.content.size_bytes


@dataclass(frozen=True, slots=True)
class Fetching:
    store: ObjectStore
    external: External
    sync_id: str
    room: Room

    def read(self, listed: Iterable[Listed], plugin_root: str, known: Mapping[str, Plugin]) -> dict[str, Reading]:
        """Readings by name of those of `listed` that are of other places and can be fetched."""
        readings: dict[str, Reading] = {}
        groups: dict[Key, list[_Wanted]] = {}
        for one in listed:
            wanted = self._wanted(one, plugin_root, known.get(one.entry.name))
            if isinstance(wanted, Reading):
                readings[one.entry.name] = wanted
            elif wanted is not None:
                groups.setdefault(_key(wanted.target), []).append(wanted)
        # Among equals the order is another one in each sync, so that none waits for ever.
        ordered = [
            groups[key] for key in sorted(groups, key=lambda key: (min(map(_turn, groups[key])), self._lot(key)))
        ]
        alone: list[list[_Wanted]] = []
        with ThreadPoolExecutor(EXTERNAL_PARALLEL) as pool:
            for group, found in zip(ordered, pool.map(self._side_by_side, ordered), strict=True):
                if found is None:
                    alone.append(group)
                else:
                    readings.update(found)
        for group in alone:
            readings.update(self._fetch(group, share=1))
        return readings

    def _lot(self, key: Key) -> str:
        return hashlib.sha256(f"{self.sync_id} {key}".encode()).hexdigest()

    def _wanted(self, listed: Listed, plugin_root: str, known: Plugin | None) -> _Wanted | Reading | None:
        """What is to be fetched, what came of it already, or None for what is of the repository or of a kind not fetched."""
        source = listed.entry.source
        try:
            place = locate(listed.entry.name, source, plugin_root)
        except SourceInvalid:
            return None
        if not isinstance(place, Outside) or place.kind not in EXTERNAL_KINDS:
            return None
        for key, reason in HEADERS.items():
            if place.kind == "archive" and getattr(listed.entry, key):
                return Reading(listed, place.kind, problem=reason)
        try:
            wanted = _Wanted(listed, place.kind, target_of(source, self.external.npm_registry), known)
        except SourceInvalid as exc:
            return Reading(listed, place.kind, problem=str(exc))
        if known and is_pinned(wanted.target) and known.fingerprint == wanted.fingerprint:
            return Reading(listed, place.kind, same=True)
        return wanted

    def _side_by_side(self, group: list[_Wanted]) -> dict[str, Reading] | None:
        """None if it is too large to be fetched beside others."""
        try:
            return self._fetch(group, share=EXTERNAL_PARALLEL)
        except GitTooLarge:
            return None

    def _fetch(self, group: list[_Wanted], *, share: int) -> dict[str, Reading]:
        """Raises GitTooLarge if it might fit with a larger share."""
        if self.room.left <= 0:
            return {wanted.listed.entry.name: wanted.waiting(NO_ROOM) for wanted in group}
        target = group[0].target
        commits = {wanted.known_commit for wanted in group}
        known = commits.pop() if len(commits) == 1 else None
        readings: dict[str, Reading] = {}
        try:
            with self.external.open(target, known=known, share=share) as snapshot:
                for wanted in group:
                    name, listed = wanted.listed.entry.name, wanted.listed
                    if snapshot is None or (known and snapshot.commit == known):
                        readings[name] = Reading(listed, wanted.kind, same=True)
                        continue
                    fingerprint = None
                    if is_pinned(target):
                        fingerprint = wanted.fingerprint
                    elif isinstance(target, Place):
                        fingerprint = f"{wanted.fingerprint}@{snapshot.commit}"
                    readings[name] = read_folder(
                        self.store, snapshot, listed, wanted.place, known=wanted.known, fingerprint=fingerprint
                    )
                    self.room.use(readings[name])
        except NoTimeLeft:
            return {wanted.listed.entry.name: wanted.waiting() for wanted in group} | readings
        except SourceInvalid as exc:
            return {wanted.listed.entry.name: wanted.failed(str(exc)) for wanted in group} | readings
        except (GitFailed, GitRefused, GitUnreachable, WebFailed, WebRefused, WebUnreachable) as exc:
            if isinstance(exc, GitTooLarge) and share > 1:
                raise
            late = isinstance(exc, (GitUnreachable, WebUnreachable)) and self.external.left() < MIN_EXTERNAL_SECONDS
            return {w.listed.entry.name: w.waiting() if late else w.failed(exc.message) for w in group} | readings
        return readings


def _key(target: Target) -> Key:
    """Equal for what one fetch brings."""
    return (Place, target.url, target.refs) if isinstance(target, Place) else (type(target), target)


def _turn(wanted: _Wanted) -> int:
    """First those that waited and are not served, then new ones, then those that waited to be looked at again."""
    if wanted.known is None:
        return 1
    if wanted.known.problem in (WAITING, NO_ROOM):
        return 2 if wanted.known.tree_id else 0
    return 3
