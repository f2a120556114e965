"""Sync: fetch a marketplace's commit, read its plugins, and put them in place in one commit.

Readers see the old plugins or the new ones, never some of both. What the commit rests on (the
registration, the previous sync) is compared again inside its transaction; the claim in the store
only saves two workers from doing the same.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass, field, replace
from datetime import datetime

from agnes.kernel.errors import AgnesError, ConflictError
from agnes.kernel.git import EXECUTABLE, FILE, GROUP_WRITABLE, GitReader, GitSnapshot, GitUnreachable
from agnes.kernel.ids import new_ulid
from agnes.kernel.ports import Clock, Message, ObjectStore, Queue, Secrets
from agnes.kernel.state import Change, State, Tx
from agnes.kernel.web import WebReader
from agnes.marketplace import blocking, claims, mirror, nightly, renaming, repository, rules, tagged, versions
from agnes.marketplace.differences import FileDifference, between_trees
from agnes.marketplace.external import External
from agnes.marketplace.fetching import Fetching, Room
from agnes.marketplace.limits import (
    MAX_EXTERNAL_BYTES,
    MAX_REPORTED,
    MAX_RUNS_IN_A_ROW,
    MAX_WAITING_NAMED,
    RESERVED_SECONDS,
    SYNC_SECONDS,
)
from agnes.marketplace.manifest import CATALOG, Catalog, CatalogInvalid, read_catalog
from agnes.marketplace.mirror import Copy, Mirror
from agnes.marketplace.model import Plugin, Refused, Registry, SyncReport
from agnes.marketplace.pages import Pages
from agnes.marketplace.reading import READING_FORMAT, Reading, read_plugin
from agnes.marketplace.rebuilding import Rebuilding
from agnes.marketplace.service import get_registry
from agnes.marketplace.settling import Outcome, Standing, settle
from agnes.trees import service as trees

log = logging.getLogger("agnes.marketplace")


class SyncOvertaken(ConflictError):
    code = "sync_overtaken"

    def __init__(self, marketplace_id: str) -> None:
        super().__init__(f"{marketplace_id} was changed or synced meanwhile", hint="Sync again.")


@dataclass(frozen=True, slots=True)
class Syncing:
    """What a sync works with."""

    state: State
    store: ObjectStore
    git: GitReader
    secrets: Secrets
    clock: Clock
    web: WebReader
    npm_registry: str = ""
    """URL of the registry of `npm` sources; without one they are catalogued with the reason."""
    after: Callable[[], None] = lambda: None
    """Run after every commit of a sync: what other domains do about it. May be repeated."""
    external_bytes: int = MAX_EXTERNAL_BYTES
    """New content of external sources that one sync takes."""


@dataclass
class _Found:
    """Everything that a commit says about a marketplace."""

    commit: str
    readings: list[Reading]
    refused: list[Refused]
    warnings: list[str]
    files: dict[str, FileDifference] = field(default_factory=dict)
    """Of plugins that have new content."""
    copies: list[Copy] = field(default_factory=list)
    """Of the covers and documents of other servers."""
    catalog_name: str | None = None
    renames: renaming.Resolved = field(default_factory=dict)
    moves: list[renaming.Move] = field(default_factory=list)
    waiting: int = 0
    has_advanced: bool = False
    blocked: dict[str, str] = field(default_factory=dict)
    """Tree → reason, of content that is blocked under the name that it had before."""


@dataclass(frozen=True, slots=True)
class _Unchanged:
    """The repository holds what was read before, and its pages show what they did."""

    copies: list[Copy] | None
    """As they were asked about just now; None if none was."""
    warnings: list[str]


def sync(tools: Syncing, marketplace_id: str, *, seconds: float = SYNC_SECONDS) -> SyncReport:
    """Bring one marketplace up to its repository, within `seconds`.

    Raises MarketplaceNotFound, SyncRunning, SyncOvertaken, CatalogInvalid and the family of
    `agnes.kernel.git`; whatever a repository did wrong is also written down as `last_error`.
    """
    with tools.state.read("marketplace") as db:
        registry = get_registry(db, marketplace_id)
        rows = {p.name: p for p in repository.plugins(db, marketplace_id, removed=True)}
        known = {name: p for name, p in rows.items() if p.tree_id}
        copies = mirror.copies(db, marketplace_id)
        past = _Past(
            rows,
            versions.histories(db, marketplace_id),
            versions.blocked_trees(db),
            renaming.of_other_catalogs(db, marketplace_id),
        )
    rebuilding = Rebuilding(tools.store, rows, past.histories)
    with claims.claimed(tools.store, marketplace_id, clock=tools.clock, seconds=seconds):
        now = tools.clock.now()
        run = _Run(tools, registry, new_ulid(now), now, tools.clock.monotonic(), seconds, past, rebuilding)
        try:
            rebuilding.look()
            found = run.find(known, copies)
            tags = run.read_tags(found)
        except AgnesError as exc:
            run.record_failure(exc)
            raise
        report = run.commit(found, tags)
    tools.after()
    if isinstance(found, _Found):
        report = replace(report, waiting=found.waiting, has_advanced=found.has_advanced)
    return report


def go_on(queue: Queue, report: SyncReport, *, run: int = 0) -> bool:
    """Queue the next sync of a marketplace whose external plugins wait, after `run` of them in a row. One that got no further is
    left to the schedule, so that a server that is down is not asked again and again. Whether it was queued."""
    is_due = report.waiting > 0 and report.has_advanced and run < MAX_RUNS_IN_A_ROW
    if is_due:
        queue.send([Message(nightly.QUEUE, {"id": report.id, "run": run + 1})])
    return is_due


@dataclass(frozen=True, slots=True)
class _Past:
    """What is stored of the marketplace when a sync begins."""

    rows: dict[str, Plugin]
    histories: dict[str, list[versions.Version]]
    blocked: dict[str, str]
    renamed_elsewhere: dict[str, dict[str, str]]
    """Name of another catalog → old plugin name → new one."""


def _waiting(readings: Iterable[Reading]) -> list[str]:
    """One line for all plugins that wait for the next sync."""
    names = sorted(reading.listed.entry.name for reading in readings if reading.is_waiting)
    if not names:
        return []
    shown = ", ".join(names[:MAX_WAITING_NAMED]) + (" …" if len(names) > MAX_WAITING_NAMED else "")
    return [f"{len(names)} external plugins wait for the next sync, which begins with them: {shown}"]


@dataclass
class _Run:
    tools: Syncing
    registry: Registry
    id: str
    started_at: datetime
    began: float
    seconds: float
    past: _Past
    rebuilding: Rebuilding

    @property
    def elapsed(self) -> float:
        return self.tools.clock.monotonic() - self.began

    def find(self, known: dict[str, Plugin], copies: list[Copy]) -> _Found | _Unchanged:
        """What the repository holds, unless that was read before."""
        registry, tools = self.registry, self.tools
        # What the sources of other servers hold may be new although this repository is not.
        is_known = (
            registry.reading_format == READING_FORMAT and not registry.allow_external and not self.rebuilding.is_due
        )
        read_before = registry.last_commit_sha if is_known else None
        copied = Mirror(tools.web, tools.store, registry.id, copies, self.left, tools.clock.now())
        with self._fetch(known=read_before) as snapshot:
            # An annotated tag has an id of its own, so git cannot tell that its commit is known.
            if snapshot is not None and snapshot.commit != read_before:
                return self._read(snapshot, known, copied)
            asked = copied.refresh()
            if copied.is_same and not self.rebuilding.is_due:
                said = [copy.warning for copy in copied.copies.values() if copy.warning]
                return _Unchanged(list(copied.copies.values()) if asked else None, said)
        # A cover or document is another one now: the pages are made anew.
        with self._fetch(known=None) as snapshot:
            if snapshot is None:
                raise GitUnreachable("the server sent no commit", hint="Sync again.")
            return self._read(snapshot, known, copied)

    def _fetch(
        self, *, known: str | None, ref: str | None = None, seconds: float | None = None
    ) -> AbstractContextManager[GitSnapshot | None]:
        registry, tools = self.registry, self.tools
        token = tools.secrets.get(registry.token_name) if registry.token_name else None
        seconds = max(self.left() if seconds is None else seconds, 0.001)
        return tools.git.fetch(registry.url, ref=ref or self.ref, token=token, known=known, seconds=seconds)

    def _fetch_in_time_left(self, ref: str) -> AbstractContextManager[GitSnapshot | None]:
        return self._fetch(known=None, ref=ref, seconds=self._left_to_fetch())

    def _read(self, snapshot: GitSnapshot, known: dict[str, Plugin], copied: Mirror) -> _Found:
        registry, tools = self.registry, self.tools
        catalog = self._catalog(snapshot)
        pages = Pages.of(copied, snapshot, known, self.rebuilding.files)
        pages.fetch(listed.entry.name for listed in catalog.plugins)
        renames, lost = renaming.resolved(catalog)
        names = renaming.names(catalog, renames, self.past.renamed_elsewhere)
        catalog.plugins[:] = [replace(listed, names=names) for listed in catalog.plugins]
        found = _Found(
            snapshot.commit,
            [],
            list(catalog.refused),
            [*self._moved(snapshot), *catalog.warnings, *lost, *pages.warnings],
            catalog_name=catalog.name,
            renames=renames,
        )
        fetched: dict[str, Reading] = {}
        if registry.allow_external:
            external = External(tools.git, tools.web, tools.npm_registry, self._left_to_fetch)
            fetched = Fetching(tools.store, external, self.id, Room(tools.external_bytes)).read(
                catalog.plugins, catalog.plugin_root, self.rebuilding.unknown(self.past.rows)
            )
        found.warnings.extend(_waiting(fetched.values()))
        found.waiting = sum(reading.is_waiting and name not in known for name, reading in fetched.items())
        found.has_advanced = any(reading.content is not None for reading in fetched.values())
        again = self.rebuilding.names if self.rebuilding.is_due else frozenset()
        for listed in catalog.plugins:
            if self.elapsed > self.seconds:
                raise GitUnreachable(
                    f"reading the plugins took longer than {self.seconds:g} seconds",
                    code="sync_timeout",
                    hint="Try again; the nightly sync waits longest.",
                )
            name = listed.entry.name
            before = known.get(name)
            reading = fetched.get(name)
            if reading is None:
                is_again = name in again
                reading = read_plugin(
                    tools.store, snapshot, listed, catalog.plugin_root, known=None if is_again else before
                )
            shown, said = pages.of_plugin(name)
            found.readings.append(replace(reading, metadata=shown))
            found.warnings.extend(said)
            found.warnings.extend(reading.warnings)
            if reading.content is not None:
                found.files[name] = self._files(before.tree_id if before else None, reading.content.tree_id)
        found.copies = list(copied.copies.values())
        self._carry(found)
        if self.rebuilding.is_due:
            self._rebuild_older()
            found.warnings[:0] = self.rebuilding.settle()
        return found

    def read_tags(self, found: _Found | _Unchanged) -> tagged.Tagged:
        """Versions that dependencies ask for and only tags have."""
        readings, name = (found.readings, found.catalog_name) if isinstance(found, _Found) else ([], None)
        with self.tools.state.read("marketplace") as db:
            ranges = tagged.wanted(db, self.registry.id, name, readings)
        missing = tagged.unmet(ranges, self.past.histories, readings)
        tools, fetch = self.tools, self._fetch_in_time_left
        place = tagged.Place(
            self.registry, tools.store, tools.git, tools.secrets, fetch, self._left_to_fetch, self._catalog
        )
        return tagged.read(place, missing, self.past.rows, now=self.started_at)

    def _rebuild_older(self) -> None:
        """Read versions whose trees are damaged from the commits that they came with, as far as time and the server allow."""
        for commit, names in self.rebuilding.commits().items():
            if self._left_to_fetch() <= 0:
                return
            try:
                with self._fetch_in_time_left(commit) as snapshot:
                    if snapshot is None:
                        continue
                    catalog = self._catalog(snapshot)
                    follow = renaming.names(catalog, renaming.resolved(catalog)[0], self.past.renamed_elsewhere)
                    for listed in catalog.plugins:
                        if listed.entry.name in names:
                            place = replace(listed, names=follow)
                            read_plugin(self.tools.store, snapshot, place, catalog.plugin_root, known=None)
            except AgnesError as exc:  # the note says what it means for the version
                log.warning("%s: %s is not read again: %s", self.registry.id, commit[:12], exc.message)

    def _carry(self, found: _Found) -> None:
        """What renamed plugins take with them: versions that something was decided about, and blocks of their content."""
        store, past = self.tools.store, self.past
        read = {reading.listed.entry.name: reading.content for reading in found.readings if reading.content}
        for old, new in renaming.moves(found.renames, past.rows):
            before = past.rows.get(new)
            carried: list[renaming.Carried] = []
            if before is None or (before.removed_at is not None and past.rows[old].removed_at is None):
                carried = renaming.carried(store, past.rows[old], new, past.histories.get(old, []))
            found.moves.append(renaming.Move(old, new, tuple(carried)))
            content = read.get(new)
            reason = renaming.blocked_as(store, content.tree_id, old, content.entry, past.blocked) if content else None
            if content and reason:
                found.blocked[content.tree_id] = reason

    def left(self) -> float:
        return self.seconds - self.elapsed

    def _left_to_fetch(self) -> float:
        """Seconds for sources of other places; what they leave is for the repository's own plugins and the commit."""
        return self.left() - min(RESERVED_SECONDS, self.seconds / 5)

    @property
    def ref(self) -> str:
        return rules.git_ref(self.registry.branch, self.registry.ref)

    def _moved(self, snapshot: GitSnapshot) -> list[str]:
        """A tag promises one commit; said when it does not keep that."""
        was, pin = self.registry.last_commit_sha, self.registry.ref
        if pin is None or pin != self.registry.last_ref or was is None or was == snapshot.commit:
            return []
        return [f"the tag {pin} was moved: it named the commit {was[:12]} and names {snapshot.commit[:12]} now"]

    def _files(self, before: str | None, after: str) -> FileDifference:
        old = None
        if before is not None and before != after:
            with suppress(trees.TreeDamaged):  # then everything counts as new
                old = trees.get(self.tools.store, before)
        return FileDifference() if before == after else between_trees(old, trees.get(self.tools.store, after))

    def _catalog(self, snapshot: GitSnapshot) -> Catalog:
        entry = snapshot.entry(CATALOG)
        if entry is None:
            raise CatalogInvalid("the repository has no such file")
        if entry.mode not in (FILE, GROUP_WRITABLE, EXECUTABLE):
            raise CatalogInvalid("not a plain file")
        return read_catalog(snapshot.read(entry.oid))

    def commit(self, found: _Found | _Unchanged, tags: tagged.Tagged) -> SyncReport:
        def change(tx: Tx) -> SyncReport:
            registry = self._same_registry(tx)
            now = self.tools.clock.now()
            if isinstance(found, _Unchanged):
                if found.copies is not None:
                    mirror.write(tx.db, registry.id, found.copies)
                report = self._report(
                    tx, registry.last_commit_sha or "", changed=False, warnings=[*found.warnings, *tags.warnings]
                )
            else:
                existing = {p.name: p for p in repository.plugins(tx.db, registry.id, removed=True)}
                known, histories = dict(existing), versions.histories(tx.db, registry.id)
                moves = [move for move in found.moves if move.old in known]
                begun = renaming.begin(existing, histories, moves)
                blocking.add(tx.db, found.blocked, now=now)
                standing = Standing(
                    commit=found.commit,
                    hold=registry.hold,
                    histories=histories,
                    blocked=self.rebuilding.lost | versions.blocked_trees(tx.db),
                    files=found.files,
                )
                outcome = settle(registry.id, existing, found.readings, found.refused, standing, now=now)
                renaming.finish(outcome, moves, begun, existing)
                renamed = renaming.write(tx.db, registry.id, found.renames, known, now=now)
                renaming.reread_dependents(tx.db, registry.id, found.catalog_name, renamed)
                repository.write_plugins(tx.db, [*outcome.rows, *outcome.reread])
                versions.write(tx.db, outcome.versions)
                repository.replace_items(tx.db, registry.id, outcome.items)
                mirror.write(tx.db, registry.id, found.copies)
                is_same = (
                    found.commit == registry.last_commit_sha
                    and registry.reading_format == READING_FORMAT
                    and not outcome.rows
                )
                back = [
                    f"{name}: it is back; who was granted it, or had it in the stack, has it again"
                    for name in outcome.added
                    if name in existing
                ]
                warnings = [*back, *found.warnings, *tags.warnings]
                report = self._report(tx, found.commit, changed=not is_same, outcome=outcome, warnings=warnings)
                report = replace(report, renamed=renamed, changed=report.changed or bool(renamed))
                repository.update_registry(tx.db, registry.id, catalog_name=found.catalog_name)
            tagged.add(tx.db, registry.id, tags.versions)
            repository.update_registry(
                tx.db,
                registry.id,
                last_synced_at=now,
                last_commit_sha=report.commit or None,
                last_ref=registry.ref,
                last_error=None,
                last_sync_id=self.id,
                reading_format=READING_FORMAT,
            )
            self._remember(tx, report, "changed" if report.changed else "unchanged", None)
            shown = {
                "commit": report.commit,
                "added": report.added,
                "updated": report.updated,
                "removed": report.removed,
                "refused": [f"{r.plugin}: {r.reason}" for r in report.refused],
                "changes": [change.text for change in report.changes],
                "renamed": [f"{one.old} to {one.new}" for one in report.renamed],
            }
            tx.record(Change("marketplace.sync", f"marketplace:{registry.id}", shown))
            return report

        return self.tools.state.commit("marketplace", change)

    def record_failure(self, exc: AgnesError) -> None:
        """Write down why nothing changed; the plugins stay as they are."""

        def change(tx: Tx) -> None:
            registry = repository.find_registry(tx.db, self.registry.id)
            if registry is None:
                return
            repository.update_registry(tx.db, registry.id, last_error=exc.message)
            report = self._report(tx, registry.last_commit_sha or "", changed=False)
            self._remember(tx, report, "failed", exc.message)
            shown = {"error": exc.message, "code": exc.code}
            tx.record(Change("marketplace.sync_failed", f"marketplace:{registry.id}", shown))

        self.tools.state.commit("marketplace", change)

    def _same_registry(self, tx: Tx) -> Registry:
        """The registry as it is now. Raises SyncOvertaken if it is not the one that was read."""
        now = get_registry(tx.db, self.registry.id)
        for column in ("registered_at", "url", "branch", "ref", "allow_external", "last_sync_id"):
            if getattr(now, column) != getattr(self.registry, column):
                raise SyncOvertaken(now.id)
        return now

    def _report(
        self, tx: Tx, commit: str, *, changed: bool, outcome: Outcome | None = None, warnings: Iterable[str] = ()
    ) -> SyncReport:
        outcome = outcome or Outcome()
        return SyncReport(
            id=self.registry.id,
            name=self.registry.name,
            action="update" if self.registry.last_commit_sha else "clone",
            commit=commit,
            path=trees.PREFIX,
            plugin_count=repository.count_plugins(tx.db, self.registry.id),
            changed=changed,
            added=outcome.added,
            updated=outcome.updated,
            removed=outcome.removed,
            refused=outcome.refused[:MAX_REPORTED],
            warnings=list(warnings)[:MAX_REPORTED],
            changes=outcome.changes[:MAX_REPORTED],
            duration_seconds=round(self.elapsed, 3),
        )

    def _remember(self, tx: Tx, report: SyncReport, outcome: str, error: str | None) -> None:
        repository.insert_sync(
            tx.db,
            sync_id=self.id,
            started_at=self.started_at,
            ref=self.ref,
            outcome=outcome,
            report=report,
            error=error,
        )
