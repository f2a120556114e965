"""Sync: fetch a marketplace's commit, read its plugins, and put them in place in one commit.

Readers see the old plugins or the new ones, never some of both. What the commit rests on (the
registration, the previous sync) is compared again inside its transaction; the claim in the store
only saves two workers from doing the same.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime

from agnes.kernel.errors import AgnesError, ConflictError, UnavailableError
from agnes.kernel.git import GitReader, GitSnapshot, GitUnreachable
from agnes.kernel.ids import new_ulid
from agnes.kernel.ports import Clock, ObjectStore, Queue, Secrets
from agnes.kernel.state import Change, State, Tx
from agnes.marketplace import claims, nightly, repository
from agnes.marketplace.limits import INTERACTIVE_SYNC_SECONDS, MAX_REPORTED, SYNC_SECONDS
from agnes.marketplace.manifest import CATALOG, Catalog, CatalogInvalid, read_catalog
from agnes.marketplace.model import Plugin, Refused, Registry, SyncAllReport, SyncFailure, SyncReport
from agnes.marketplace.reading import READING_FORMAT, Content, Reading, read_plugin
from agnes.marketplace.service import get_registry
from agnes.trees.service import PREFIX


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


@dataclass
class _Found:
    """Everything that a commit says about a marketplace."""

    commit: str
    readings: list[Reading]
    refused: list[Refused]
    warnings: list[str]


@dataclass
class _Outcome:
    """Rows to write, and the report's lists."""

    rows: list[Plugin] = field(default_factory=list)
    items: list[tuple[str, list]] = field(default_factory=list)
    added: list[str] = field(default_factory=list)
    updated: list[str] = field(default_factory=list)
    removed: list[str] = field(default_factory=list)
    refused: list[Refused] = field(default_factory=list)


def sync(tools: Syncing, marketplace_id: str, *, seconds: float = SYNC_SECONDS) -> SyncReport:
    """Bring one marketplace up to its repository, within `seconds`.

    Raises MarketplaceNotFound, SyncRunning, SyncOvertaken, CatalogInvalid and the family of
    `agnes.kernel.git`; whatever a repository did wrong is also written down as `last_error`.
    """
    with tools.state.read("marketplace") as db:
        registry = get_registry(db, marketplace_id)
        known = {p.name: p.fingerprint for p in repository.plugins(db, marketplace_id, removed=True) if p.tree_id}
    with claims.claimed(tools.store, marketplace_id, clock=tools.clock, seconds=seconds):
        run = _Run(tools, registry, new_ulid(tools.clock.now()), tools.clock.now(), tools.clock.monotonic(), seconds)
        try:
            found = run.find(known)
        except AgnesError as exc:
            run.record_failure(exc)
            raise
        return run.commit(found)


@dataclass
class _Run:
    tools: Syncing
    registry: Registry
    id: str
    started_at: datetime
    began: float
    seconds: float

    @property
    def elapsed(self) -> float:
        return self.tools.clock.monotonic() - self.began

    def find(self, known: dict[str, str | None]) -> _Found | None:
        """What the repository holds, None if that was read before."""
        registry, tools = self.registry, self.tools
        token = tools.secrets.get(registry.token_name) if registry.token_name else None
        read_before = registry.last_commit_sha if registry.reading_format == READING_FORMAT else None
        with tools.git.fetch(
            registry.url, ref=registry.git_ref, token=token, known=read_before, seconds=self.seconds
        ) as snapshot:
            if snapshot is None:
                return None
            catalog = self._catalog(snapshot)
            found = _Found(snapshot.commit, [], list(catalog.refused), list(catalog.warnings))
            for listed in catalog.plugins:
                if self.elapsed > self.seconds:
                    raise GitUnreachable(
                        f"reading the plugins took longer than {self.seconds:g} seconds",
                        code="sync_timeout",
                        hint="What was read is kept: sync again to go on.",
                    )
                reading = read_plugin(
                    tools.store, snapshot, listed, catalog.plugin_root, known=known.get(listed.entry.name)
                )
                found.readings.append(reading)
                found.warnings.extend(reading.warnings)
            return found

    def _catalog(self, snapshot: GitSnapshot) -> Catalog:
        entry = snapshot.entry(CATALOG)
        if entry is None:
            raise CatalogInvalid("the repository has no such file")
        if entry.mode not in (0o100644, 0o100664, 0o100755):
            raise CatalogInvalid("not a plain file")
        return read_catalog(snapshot.read(entry.oid))

    def commit(self, found: _Found | None) -> SyncReport:
        def change(tx: Tx) -> SyncReport:
            registry = self._same_registry(tx)
            now = self.tools.clock.now()
            if found is None:
                report = self._report(tx, registry.last_commit_sha or "", changed=False)
            else:
                existing = {p.name: p for p in repository.plugins(tx.db, registry.id, removed=True)}
                outcome = settle(registry.id, existing, found.readings, found.refused, now=now)
                repository.write_plugins(tx.db, outcome.rows)
                repository.replace_items(tx.db, registry.id, outcome.items)
                report = self._report(tx, found.commit, changed=True, outcome=outcome, warnings=found.warnings)
            repository.update_registry(
                tx.db,
                registry.id,
                last_synced_at=now,
                last_commit_sha=report.commit or None,
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
        for column in ("registered_at", "url", "branch", "last_sync_id"):
            if getattr(now, column) != getattr(self.registry, column):
                raise SyncOvertaken(now.id)
        return now

    def _report(
        self, tx: Tx, commit: str, *, changed: bool, outcome: _Outcome | None = None, warnings: Iterable[str] = ()
    ) -> SyncReport:
        outcome = outcome or _Outcome()
        return SyncReport(
            id=self.registry.id,
            name=self.registry.name,
            action="update" if self.registry.last_commit_sha else "clone",
            commit=commit,
            path=PREFIX,
            plugin_count=len(repository.plugins(tx.db, self.registry.id)),
            changed=changed,
            added=outcome.added,
            updated=outcome.updated,
            removed=outcome.removed,
            refused=outcome.refused[:MAX_REPORTED],
            warnings=list(warnings)[:MAX_REPORTED],
            duration_seconds=round(self.elapsed, 3),
        )

    def _remember(self, tx: Tx, report: SyncReport, outcome: str, error: str | None) -> None:
        repository.insert_sync(
            tx.db, sync_id=self.id, started_at=self.started_at, outcome=outcome, report=report, error=error
        )


def settle(
    marketplace_id: str,
    existing: dict[str, Plugin],
    readings: list[Reading],
    refused: list[Refused],
    *,
    now: datetime,
) -> _Outcome:
    """The rows that change, given the stored ones (tombstones included) and what was read. Pure.

    A plugin that cannot be read keeps its last good version; one that is gone becomes a tombstone
    and gets its flags back when it returns.
    """
    outcome = _Outcome(refused=list(refused))
    listed = {reading.listed.entry.name for reading in readings} | {r.plugin for r in refused}
    for reading in readings:
        name = reading.listed.entry.name
        before = existing.get(name)
        if reading.problem and not reading.is_external:
            outcome.refused.append(Refused(name, reading.problem))
        after = _row(marketplace_id, before, reading, now)
        if before is None or before.removed_at is not None:
            outcome.added.append(name)
        elif replace(after, updated_at=before.updated_at) == before:
            continue
        else:
            outcome.updated.append(name)
        outcome.rows.append(after)
        if reading.content is not None:
            outcome.items.append((name, reading.content.items))
        elif after.tree_id is None and before is not None and before.tree_id is not None:
            outcome.items.append((name, []))
    for refusal in refused:
        before = existing.get(refusal.plugin)
        if before is not None and before.problem != refusal.reason:
            outcome.rows.append(replace(before, problem=refusal.reason, removed_at=None, updated_at=now))
    for name, before in existing.items():
        if name not in listed and before.removed_at is None:
            outcome.removed.append(name)
            outcome.rows.append(replace(before, removed_at=now, updated_at=now))
    return outcome


def _row(marketplace_id: str, before: Plugin | None, reading: Reading, now: datetime) -> Plugin:
    """The row of a listed plugin: the catalog's words, the content that can be served, the admin's flags."""
    entry, content = reading.listed.entry, reading.content
    manifest = content.manifest if content else None
    kept = before if before is not None and not reading.is_external else None
    # Where the catalog is silent, plugin.json speaks; if that was not read this time, what it said last time.
    said_before = kept if content is None else None
    return Plugin(
        marketplace_id=marketplace_id,
        name=entry.name,
        description=entry.description
        or (manifest and manifest.description)
        or (said_before.description if said_before else ""),
        upstream_version=entry.version
        or (manifest and manifest.version)
        or (said_before.upstream_version if said_before else None),
        author_name=entry.author_name
        or (manifest and manifest.author_name)
        or (said_before.author_name if said_before else None),
        homepage=entry.homepage or (manifest and manifest.homepage) or (said_before.homepage if said_before else None),
        category=entry.category,
        keywords=list(
            entry.keywords or (manifest and manifest.keywords) or (said_before.keywords if said_before else [])
        ),
        source_type=reading.source_type,
        source_spec=entry.source,
        raw=reading.listed.raw,
        **_content_columns(content, kept, now),
        problem=reading.problem,
        is_system=before.is_system if before else False,
        disabled=before.disabled if before else False,
        created_at=before.created_at if before else now,
        updated_at=now,
        removed_at=None,
    )


def _content_columns(content: Content | None, kept: Plugin | None, now: datetime) -> dict:
    columns = ("tree_id", "git_oid", "version", "fingerprint", "size_bytes", "file_count")
    if content is not None:
        same_tree = kept is not None and kept.tree_id == content.tree_id
        return {c: getattr(content, c) for c in columns} | {"released_at": kept.released_at if same_tree else now}
    if kept is not None:
        return {c: getattr(kept, c) for c in (*columns, "released_at")}
    return dict.fromkeys(("tree_id", "git_oid", "version", "fingerprint", "released_at")) | {
        "size_bytes": 0,
        "file_count": 0,
    }


def sync_all(tools: Syncing, queue: Queue, *, seconds: float = INTERACTIVE_SYNC_SECONDS) -> SyncAllReport:
    """Sync every marketplace, one after the other, while there is time; the rest is queued."""
    began = tools.clock.monotonic()
    report = SyncAllReport([], [], [])
    with tools.state.read("marketplace") as db:
        ids = repository.registry_ids(db)
    for marketplace_id in ids:
        left = seconds - (tools.clock.monotonic() - began)
        if left <= 0:
            report.queued.append(marketplace_id)
            continue
        try:
            report.synced.append(sync(tools, marketplace_id, seconds=left))
        except AgnesError as exc:
            report.errors.append(SyncFailure(marketplace_id, exc.message))
    nightly.send(queue, report.queued)
    shown = {
        "synced": [r.id for r in report.synced],
        "errors": [e.id for e in report.errors],
        "queued": report.queued,
    }
    tools.state.commit("marketplace", lambda tx: tx.record(Change("marketplace.sync_all", "marketplace:*", shown)))
    return report


def sync_queued(tools: Syncing, marketplace_id: str) -> SyncReport | None:
    """Consume one message. None where repeating it would not help: the reason is in the sync history.

    Raises UnavailableError, so that the queue delivers it again.
    """
    try:
        return sync(tools, marketplace_id)
    except UnavailableError:
        raise
    except AgnesError:
        return None
