"""Bring the copies of a workspace's tables to what the server serves this person now.

Objects are downloaded side by side; a table changes in one step when all of its objects are there and verified, and each table is
saved as it is done. Until then, and when its download fails, queries read the copy that was there.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterator, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event, Lock
from typing import Any

import httpx

from agnes_cli.failures import Failure, NotSignedIn, Refused
from agnes_cli.server import Server, route
from agnes_cli.tables.copies import TableCopies, TableObject, TableVersion, remove_files
from agnes_cli.tables.fetching import DELAYS_SECONDS, READ_SECONDS, Fetcher, Stopped
from agnes_cli.workspace import hold_lock

MANIFEST = "/api/tables/manifest"
SIDE_BY_SIDE = 4
ROUNDS = 3
"""A table that was collected anew while it was downloaded is looked up in the manifest again, so many times."""
TICK_SECONDS = 0.2


class BadManifest(Failure):
    def __init__(self, reason: object) -> None:
        super().__init__(f"the server's list of tables cannot be used: {reason}", hint="The copies stay as they were.")


@dataclass(frozen=True, slots=True)
class Plan:
    """What a pull would do. `objects` are those that are not there yet, by table."""

    changed: tuple[TableVersion, ...]
    objects: Mapping[str, tuple[TableObject, ...]]
    removed: tuple[str, ...]
    unchanged: int

    @property
    def size_bytes(self) -> int:
        return sum(each.size_bytes for needed in self.objects.values() for each in needed)


@dataclass
class Outcome:
    """`failed` is table → reason; such a table is as it was before."""

    updated: list[str] = field(default_factory=list)
    removed: list[str] = field(default_factory=list)
    failed: dict[str, str] = field(default_factory=dict)
    total: int = 0
    received_bytes: int = 0
    superseded: list[Path] = field(default_factory=list)
    """Objects that no table consists of any more; a view of an open database may still name them."""

    def as_json(self) -> dict[str, Any]:
        return {
            "tables_updated": sorted(self.updated),
            "tables_removed": self.removed,
            "tables_total": self.total,
            "received_bytes": self.received_bytes,
            "errors": [{"table": table_id, "message": reason} for table_id, reason in self.failed.items()],
        }


class Progress:
    """What a pull tells while it works; called from one thread."""

    def begin(self, plan: Plan) -> None:
        """Before the first download."""

    def tick(self, received_bytes: int, done: int) -> None:
        """Several times a second; `done` tables are complete."""

    def table(self, version: TableVersion, reason: str | None) -> None:
        """A table is complete, or failed for a reason."""

    def end(self) -> None:
        """After the last one."""


@contextmanager
def locked(copies: TableCopies, *, wait: bool) -> Iterator[bool]:
    """One pull at a time in a workspace; the value tells whether it is ours."""
    copies.make()
    with (copies.folder / "pull.lock").open("a") as file:
        yield hold_lock(file.fileno(), wait=wait)


@dataclass(frozen=True, slots=True)
class Manifest:
    tables: list[TableVersion]
    etag: str
    is_new: bool
    """It is not the one that was kept."""


def fetch_manifest(server: Server, copies: TableCopies) -> Manifest:
    """One request, without a body where nothing changed; nothing is written. Raises Failure."""
    known = copies.manifest(server.url)
    found = server.get_if_changed(MANIFEST, etag=known[0] if known else "")
    if found is None:
        assert known is not None  # only then an ETag was sent
        return Manifest(known[1], known[0], is_new=False)
    etag, body = found
    try:
        return Manifest([TableVersion.parse(each) for each in body["tables"]], etag, is_new=True)
    except (ValueError, KeyError, TypeError) as exc:
        raise BadManifest(exc) from exc


def plan(copies: TableCopies, tables: Collection[TableVersion]) -> Plan:
    """Compare with what is there; nothing is read but names, sizes and descriptions."""
    changed, objects = [], {}
    here = copies.ids()
    for version in tables:
        missing = copies.missing(version)
        if missing or copies.find(version.id) != version:
            changed.append(version)
            objects[version.id] = tuple(missing)
    wanted = {version.id for version in tables}
    removed = tuple(table_id for table_id in here if table_id not in wanted)
    return Plan(tuple(changed), objects, removed, len(tables) - len(changed))


class Pull:
    """`server` is open. `delays` and `sleep` are of the attempts of one download."""

    def __init__(
        self,
        copies: TableCopies,
        server: Server,
        progress: Progress,
        *,
        side_by_side: int = SIDE_BY_SIDE,
        delays: tuple[float, ...] = DELAYS_SECONDS,
        sleep: Callable[[float], object] = time.sleep,
    ) -> None:
        self._copies = copies
        self._server = server
        self._progress = progress
        self._side_by_side = side_by_side
        self._delays = delays
        self._sleep = sleep
        self._received = 0
        self._lock = Lock()

    def run(self) -> Outcome:
        """Under `locked`. Raises Failure if the manifest cannot be had; a table that fails is in the outcome."""
        outcome = Outcome()
        try:
            for _ in range(ROUNDS):
                manifest = fetch_manifest(self._server, self._copies)
                if manifest.is_new:
                    self._copies.keep_manifest(self._server.url, manifest.etag, manifest.tables)
                if not self._round(manifest.tables, outcome):
                    break
        finally:
            outcome.received_bytes = self._received
        return outcome

    def _round(self, tables: list[TableVersion], outcome: Outcome) -> bool:
        """Whether a table was replaced or taken back while it was downloaded, so that the manifest is to be fetched again."""
        planned = plan(self._copies, tables)
        outcome.total = len(tables)
        for version in planned.changed:
            outcome.failed.pop(version.id, None)
        for table_id in planned.removed:
            self._copies.remove(table_id)
            outcome.removed.append(table_id)
            outcome.failed.pop(table_id, None)
        again = False
        if planned.changed:
            self._progress.begin(planned)
            try:
                again = self._download(planned, outcome)
            finally:
                self._progress.end()
        # A table that failed keeps what was downloaded for its next version.
        done = (version for version in tables if version.id not in outcome.failed)
        outcome.superseded = [path for version in done for path in self._copies.superseded(version)]
        return again

    def _download(self, planned: Plan, outcome: Outcome) -> bool:
        stop = Event()
        limits = httpx.Limits(max_connections=None, max_keepalive_connections=self._side_by_side)
        timeout = httpx.Timeout(READ_SECONDS, connect=10.0)
        needed = {version.id: len(planned.objects[version.id]) for version in planned.changed}
        versions = {version.id: version for version in planned.changed}
        again = False
        with (
            httpx.Client(timeout=timeout, limits=limits) as client,
            ThreadPoolExecutor(self._side_by_side) as pool,
        ):
            fetcher = Fetcher(client, self._address, self._got, stop=stop, delays=self._delays, sleep=self._sleep)
            waiting: dict[Future[None], str] = {}
            try:
                for version in planned.changed:
                    folder = self._copies.folder_of(version.id)
                    for each in planned.objects[version.id]:
                        waiting[pool.submit(fetcher.fetch, version.id, each, folder)] = version.id
                    if not needed[version.id]:
                        self._complete(version, outcome)
                while waiting:
                    ended, _ = wait(waiting, timeout=TICK_SECONDS, return_when=FIRST_COMPLETED)
                    for future in ended:
                        table_id = waiting.pop(future)
                        needed[table_id] -= 1
                        again = self._ended(future, versions[table_id], outcome, left=needed[table_id]) or again
                    self._progress.tick(self._received, len(outcome.updated))
            except BaseException:
                stop.set()
                pool.shutdown(cancel_futures=True)
                raise
        return again

    def _ended(self, future: Future[None], version: TableVersion, outcome: Outcome, *, left: int) -> bool:
        """Whether the manifest is to be fetched again. Raises NotSignedIn."""
        try:
            future.result()
        except NotSignedIn:
            raise
        except Refused as refused:
            self._fail(version, outcome, refused.message)
            return refused.status in (404, 410)
        except (Failure, OSError, Stopped) as exc:
            told = exc.message if isinstance(exc, Failure) else getattr(exc, "strerror", None) or type(exc).__name__
            self._fail(version, outcome, told)
            return False
        if not left and version.id not in outcome.failed:
            self._complete(version, outcome)
        return False

    def _complete(self, version: TableVersion, outcome: Outcome) -> None:
        """Every object is there and verified: let queries see it."""
        self._copies.put(version)
        outcome.failed.pop(version.id, None)
        if version.id not in outcome.updated:
            outcome.updated.append(version.id)
        self._progress.table(version, None)

    def _fail(self, version: TableVersion, outcome: Outcome, reason: str) -> None:
        if version.id not in outcome.failed:
            outcome.failed[version.id] = reason
            self._progress.table(version, reason)

    def _address(self, table_id: str, sha256: str) -> str:
        path = route("api", "tables", table_id, "objects", sha256)
        found = self._server.find_redirect(path, etag="")
        assert found is not None  # 304 answers an ETag that was sent
        return found[1]

    def _got(self, _table_id: str, count: int) -> None:
        with self._lock:
            self._received += count


def clean(outcome: Outcome) -> None:
    """Remove what no table consists of any more, once no view names it."""
    remove_files(outcome.superseded)
