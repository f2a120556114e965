"""Exports in the background: events of any size as one file or a few, made by a queue's consumer part by part.

An export is `exports/<id>/status.json`, which only its consumer changes, and each time only as it read it. Who removes the
object cancels the export: the consumer finds out before its next slice, or at the latest when it says that it is done.
A part is what one delivery makes in `PART_SECONDS`; what is left goes on in the next one.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from typing import Literal

import msgspec
from pydantic import BaseModel, ConfigDict

from agnes.kernel.errors import AgnesError, ConflictError, LimitError, NotFoundError, UnavailableError
from agnes.kernel.ids import new_ulid
from agnes.kernel.ports import (
    ABSENT,
    ANYTHING,
    DOWNLOAD_URL_SECONDS,
    Blob,
    Clock,
    Message,
    ObjectStore,
    PreconditionFailed,
    Queue,
    Unchanged,
    Version,
)
from agnes.kernel.principal import Principal
from agnes.kernel.state import Change, State
from agnes.telemetry import keys, sealed
from agnes.telemetry.lake import export, ledger
from agnes.telemetry.lake.event_stream import SLICE_EVENTS, EventStream, Selection
from agnes.telemetry.lake.formats import CONTENT_TYPES
from agnes.telemetry.model import FILE

log = logging.getLogger("agnes.telemetry")

QUEUE = "telemetry-export"
PART_SECONDS = 600.0
"""After which a part ends: a function has 900, of which the last slice and its way to the store need some."""
KEPT = timedelta(days=1)
STALE = timedelta(minutes=45)
"""Of an export that says nothing for so long its worker was ended, and the queue has given up."""
SAYS_EVERY = timedelta(seconds=5)
MAX_UNFINISHED = 4
"""Of the installation: an export reads all events, and its files are kept for a day."""
MAX_KEPT = 20
REDACTED = "sessions that it may have held were redacted. Start it again."
ATTEMPTS = 3
"""Of one part, before the export has failed."""
_ID = re.compile(r"[0-9a-hjkmnp-tv-z]{26}")

Kind = Literal["csv", "json", "parquet"]
Source = Literal["curated", "flea", "builtin"]
EventType = Literal["tool_use", "subagent", "mcp_call", "slash_command", "prompt", "message"]


class ExportCreate(BaseModel):
    """`since` and `until`: 7d, 24h, 30m, a day or a time; `user_id`: an id or an e-mail address."""

    model_config = ConfigDict(extra="forbid")

    format: Kind = "csv"
    since: str | None = None
    until: str | None = None
    user_id: str | None = None
    source: Source | None = None
    event_type: EventType | None = None


class ExportNotFound(NotFoundError):
    code = "export_not_found"

    def __init__(self, export_id: str) -> None:
        super().__init__(
            f"there is no export {export_id[:40]!r}",
            hint="It was cancelled, is older than a day, or a session was redacted since. Start another one.",
        )


class ExportNotReady(ConflictError):
    code = "export_not_ready"


class TooManyExports(LimitError):
    code = "too_many_exports"
    retry_after_seconds = 60


class ExportCancelled(Exception):
    """Its status is not there any more, or another worker has taken the export over."""


@dataclass(frozen=True, slots=True)
class Part:
    filename: str
    rows: int
    size_bytes: int
    key: str


@dataclass(frozen=True, slots=True)
class Status:
    """What `status.json` holds."""

    id: str
    format: Kind
    created_at: datetime
    created_by: str
    filters: dict[str, str]
    """As they were given, for people to read."""
    since: datetime | None
    until: datetime | None
    user: str | None
    source: str | None
    event_type: str | None
    events: int
    """That have to be read, before `user`, `source` and `event_type` leave some of them out."""
    status: Literal["queued", "running", "done", "failed"] = "queued"
    updated_at: datetime | None = None
    attempt: int = 0
    rows: int = 0
    """Written so far, those of the part that is being made too."""
    reached: datetime | None = None
    """Where the next part begins."""
    parts: list[Part] = field(default_factory=list)
    error: str | None = None
    person: str | None = None
    """Id of the account that it is restricted to. None: of everybody, or as an earlier release wrote it."""

    @property
    def own_filters(self) -> export.Filters:
        return export.Filters(self.since, self.until, self.user, self.source, self.event_type)


@dataclass(frozen=True, slots=True)
class File:
    """`part` is what the file's path ends with."""

    part: int
    filename: str
    rows: int
    size_bytes: int


@dataclass(frozen=True, slots=True)
class Export:
    """`events` have to be read in all; `rows` are written so far. The files are there when `status` is `done`, until `expires_at`."""

    id: str
    status: Literal["queued", "running", "done", "failed"]
    format: Kind
    filters: dict[str, str]
    created_at: datetime
    created_by: str
    events: int
    rows: int
    size_bytes: int
    error: str | None
    expires_at: datetime
    files: list[File]


def start(
    state: State, store: ObjectStore, queue: Queue, who: Principal, wanted: ExportCreate, *, clock: Clock
) -> Export:
    """Have the events exported; audited before it begins.

    Raises InvalidMoment, InvalidSpan, TooManyExports, UnavailableError.
    """
    now = clock.now()
    since, until = export.moment("since", wanted.since, now=now), export.moment("until", wanted.until, now=now)
    filters = export.Filters(since, until, wanted.user_id, wanted.source, wanted.event_type)
    _require_room(store, now)
    with state.read(FILE) as db:
        days = ledger.events_between(db, since.date() if since else date.min, until.date() if until else date.max)
    status = Status(
        new_ulid(now), wanted.format, now, who.email, filters.said, since, until,
        filters.user, filters.source, filters.event_type, sum(count for _, count in days),
        person=export.conditions(state, filters)[1].get("user"),
    )  # fmt: skip
    said = {"filters": filters.said, "format": wanted.format, "export_id": status.id}
    state.commit(FILE, lambda tx: tx.record(Change("usage.export", "usage:events", said)))
    store.write(keys.export_status(status.id), _encoded(status), expect=ABSENT)
    queue.send([Message(QUEUE, {"export": status.id})])
    return _shown(status, now)


def exports(store: ObjectStore, *, now: datetime) -> list[Export]:
    """Those that are kept, the newest first."""
    return [_shown(status, now) for status in reversed(list(_all(store)))]


def get(store: ObjectStore, export_id: str, *, now: datetime) -> Export:
    """Raises ExportNotFound."""
    return _shown(_get(store, export_id)[0], now)


def cancel(state: State, store: ObjectStore, export_id: str) -> None:
    """End an export, or remove its files. Raises ExportNotFound."""
    status, _ = _get(store, export_id)
    said = {"export_id": status.id, "status": status.status}
    state.commit(FILE, lambda tx: tx.record(Change("usage.export_remove", "usage:events", said)))
    _remove(store, status.id)


def file_url(state: State, store: ObjectStore, export_id: str, part: int) -> str:
    """Where a file can be had now; audited. Raises ExportNotFound, ExportNotReady."""
    status, _ = _get(store, export_id)
    if status.status != "done":
        raise ExportNotReady(
            f"the export is {status.status}", hint="Wait until its status is `done`; start another one if it failed."
        )
    if not 1 <= part <= len(status.parts):
        raise ExportNotFound(f"{export_id}/{part}")
    found = status.parts[part - 1]
    said = {"export_id": status.id, "filename": found.filename, "row_count": found.rows}
    state.commit(FILE, lambda tx: tx.record(Change("usage.export_download", "usage:events", said)))
    content_type = CONTENT_TYPES[status.format]
    return store.presign_get(
        found.key, seconds=DOWNLOAD_URL_SECONDS, filename=found.filename, content_type=content_type
    )


def run_queued(
    state: State,
    store: ObjectStore,
    queue: Queue,
    export_id: str,
    *,
    clock: Clock,
    part_seconds: float = PART_SECONDS,
    slice_events: int = SLICE_EVENTS,
) -> None:
    """Make the next part of an export. Whatever is wrong with it is its status: nothing is raised for a later delivery to
    meet again, but where the worker was killed, which the next delivery takes over."""
    try:
        status, version = _get(store, export_id)
    except ExportNotFound:
        return
    if status.status in ("done", "failed"):
        return
    worker = _Worker(state, store, clock, status, version)
    try:
        if status.attempt >= ATTEMPTS:
            raise UnavailableError("its worker was ended each time", hint="Export a shorter span.")
        is_done = worker.make_part(part_seconds, slice_events)
    except ExportCancelled:
        worker.remove_own()
    except Exception as exc:
        worker.remove_own()
        worker.fail(exc)
        if not isinstance(exc, AgnesError):
            raise
    else:
        if not is_done:
            queue.send([Message(QUEUE, {"export": export_id})])


def remove_old(store: ObjectStore, *, now: datetime) -> int:
    """Remove what is a day old; how many objects."""
    old = [entry.key for entry in store.list(keys.EXPORTS) if entry.modified_at < now - KEPT]
    store.remove(old)
    return len(old)


def end_those_of(store: ObjectStore, user_id: str, *, now: datetime) -> int:
    """After a redaction of sessions of this person: exports that may hold events of theirs, or may have read them, fail with
    the reason, and their files go; how many. One that is restricted to somebody else is not concerned.

    What is being made is not swapped but overwritten: its worker finds another status than its own and takes back what it wrote.
    Raises UnavailableError.
    """
    folders: dict[str, list[str]] = {}
    for entry in store.list(keys.EXPORTS):
        folders.setdefault(entry.key.split("/")[1], []).append(entry.key)
    ended = 0
    for export_id, held in folders.items():
        key = keys.export_status(export_id)
        found = store.read(key)
        status = _status(key, found) if found is not None else None
        if status is not None and (status.status == "failed" or (status.person or user_id) != user_id):
            continue
        if status is None:  # of one answer alone, or damaged: whose events it holds is not known
            store.remove([key])
        else:
            failed = replace(status, status="failed", error=REDACTED, parts=[], rows=0, updated_at=now)
            store.write(key, _encoded(failed), expect=ANYTHING)
        store.remove([each for each in held if each != key])
        ended += 1
    return ended


class _Worker:
    """One delivery of one export."""

    def __init__(self, state: State, store: ObjectStore, clock: Clock, status: Status, version: Version) -> None:
        self._state = state
        self._store = store
        self._clock = clock
        self._status = status
        self._version = version
        self._before = status.rows
        self._name = new_ulid(clock.now())
        self._key = ""

    def make_part(self, seconds: float, slice_events: int) -> bool:
        """Whether it was the last one. Raises ExportCancelled and what went wrong."""
        status, until = self._status, self._clock.monotonic() + seconds
        self._before = sum(part.rows for part in status.parts)
        self._say(replace(self._status, status="running", attempt=status.attempt + 1, rows=self._before))
        where, parameters = export.conditions(self._state, status.own_filters)

        def goes_on(stream: EventStream) -> bool:
            if self._clock.now() - (self._status.updated_at or status.created_at) >= SAYS_EVERY:
                self._say(replace(self._status, rows=self._before + stream.rows))
            return self._clock.monotonic() < until

        stream = EventStream(
            self._state,
            self._store,
            Selection(where, parameters, status.since, status.until),
            status.format,
            begin=status.reached,
            goes_on=goes_on,
            slice_events=slice_events,
        )
        number = len(status.parts) + 1
        filename = f"usage_events{f'-{number}' if number > 1 else ''}.{status.format}"
        self._key = keys.export_part(status.id, self._name, filename)
        with closing(stream.pieces()) as pieces:  # its scratch files go, whoever raises
            size = self._store.write_pieces(self._key, pieces, content_type=CONTENT_TYPES[status.format])
        parts = [*status.parts, Part(filename, stream.rows, size, self._key)]
        is_done = stream.reached is None
        self._say(
            replace(
                self._status,
                status="done" if is_done else "queued",
                attempt=0,
                rows=self._before + stream.rows,
                parts=parts,
                reached=stream.reached,
            )
        )
        return is_done

    def fail(self, exc: Exception) -> None:
        """An export that failed keeps no file."""
        words = (
            f"{exc.message}. {exc.hint or ''}".strip()
            if isinstance(exc, AgnesError)
            else "an error in Agnes; see its log"
        )
        try:
            self._say(replace(self._status, status="failed", error=words, parts=[], rows=0))
        except ExportCancelled:
            return
        self._store.remove([part.key for part in self._status.parts])

    def remove_own(self) -> None:
        """What this delivery has written, as nothing names it."""
        if self._key:
            self._store.remove([self._key])

    def _say(self, changed: Status) -> None:
        """Raises ExportCancelled."""
        status = replace(changed, updated_at=self._clock.now())
        key, body = keys.export_status(status.id), _encoded(status)
        try:
            self._version = self._store.write(key, body, expect=Unchanged(self._version))
        except PreconditionFailed:
            found = self._store.read(key)
            if found is None or found.body != body:  # or an earlier attempt of this very write did it
                raise ExportCancelled from None
            self._version = found.version
        self._status = status


def _require_room(store: ObjectStore, now: datetime) -> None:
    found = [_shown(status, now) for status in _all(store)]
    if sum(one.status in ("queued", "running") for one in found) >= MAX_UNFINISHED:
        raise TooManyExports(
            f"{MAX_UNFINISHED} exports are being made already",
            hint="Wait until one of them is done, or cancel it: `agnes admin usage exports`.",
        )
    if len(found) >= MAX_KEPT:
        raise TooManyExports(
            f"{MAX_KEPT} exports of the last day are kept already", hint="Remove one: `agnes admin usage exports`."
        )


def _all(store: ObjectStore) -> Iterator[Status]:
    for entry in store.list(keys.EXPORTS):
        if entry.key.endswith("/status.json"):
            found = store.read(entry.key)
            if found is not None and (status := _status(entry.key, found)) is not None:
                yield status


def _get(store: ObjectStore, export_id: str) -> tuple[Status, Version]:
    key = keys.export_status(export_id)
    found = store.read(key) if _ID.fullmatch(export_id) else None
    if found is None or (status := _status(key, found)) is None:
        raise ExportNotFound(export_id)
    return status, found.version


def _encoded(status: Status) -> bytes:
    return sealed.seal(keys.export_status(status.id), msgspec.json.encode(status))


def _status(key: str, blob: Blob) -> Status | None:
    """None of a damaged one: it is removed a day after it was written, as all are."""
    try:
        return msgspec.json.decode(sealed.opened(key, blob.body), type=Status)
    except (msgspec.MsgspecError, sealed.Unsealed):
        log.exception("%s is damaged: its export is not listed any more; start it again", key)
        return None


def _remove(store: ObjectStore, export_id: str) -> None:
    """The status first: then nothing more is written for it."""
    store.remove([keys.export_status(export_id)])
    store.remove([entry.key for entry in store.list(f"{keys.EXPORTS}{export_id}/")])


def _shown(status: Status, now: datetime) -> Export:
    state, error = status.status, status.error
    if state in ("queued", "running") and now - (status.updated_at or status.created_at) > STALE:
        state, error = "failed", "its worker was ended. Start another export, of a shorter span."
    files = [File(number, part.filename, part.rows, part.size_bytes) for number, part in enumerate(status.parts, 1)]
    return Export(
        status.id, state, status.format, status.filters, status.created_at, status.created_by, status.events,
        status.rows, sum(part.size_bytes for part in status.parts), error,
        (status.updated_at or status.created_at) + KEPT, files if state == "done" else [],
    )  # fmt: skip
