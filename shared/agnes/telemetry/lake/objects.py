"""Objects of the store as a run handles them: several at a time, and files rather than bytes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from mmap import ACCESS_READ, mmap
from pathlib import Path
from threading import Lock
from time import perf_counter
from types import TracebackType
from typing import Self

from agnes.kernel.errors import UnavailableError
from agnes.kernel.ports import ANYTHING, Blob, Clock, ObjectStore, OutcomeUnknown, TryAgain
from agnes.telemetry.lake import damage
from agnes.telemetry.lake.damage import LakeDamaged, Written

PARQUET = "application/vnd.apache.parquet"
JSON = "application/json"
_READS_AT_ONCE = 8
_QUICK_SECONDS, _SLOW_SECONDS = 0.0005, 0.005
"""What a read may take, and what all of them may take beyond that, until others are asked side by side."""
_WRITE_ATTEMPTS = 4
_WRITES_AT_ONCE = 8
_SMALL_FILE_BYTES = 4_000_000
_FILES_AHEAD = 64


class Pace:
    """How fast a store answers: `with pace:` around each call. Threads cost more than the answers of a quick one do."""

    def __init__(self) -> None:
        self._left = _SLOW_SECONDS

    def __enter__(self) -> None:
        self._left += _QUICK_SECONDS
        self._begun = perf_counter()

    def __exit__(self, kind: type[BaseException] | None, exc: BaseException | None, tb: TracebackType | None) -> None:
        self._left -= perf_counter() - self._begun

    @property
    def is_quick(self) -> bool:
        return self._left > 0


def read_all(store: ObjectStore, wanted: Sequence[str]) -> list[Blob | None]:
    """What `read` says of each key, in their order."""
    found: list[Blob | None] = []
    pace = Pace()
    for key in wanted:
        with pace:
            found.append(store.read(key))
        if not pace.is_quick:
            break
    if len(found) < len(wanted):
        with ThreadPoolExecutor(_READS_AT_ONCE) as pool:
            found += pool.map(store.read, wanted[len(found) :])
    return found


def fetch(
    store: ObjectStore,
    wanted: Iterable[str],
    folder: Path,
    *,
    at_once: int = _READS_AT_ONCE,
    written: Mapping[str, Written] | None = None,
) -> dict[str, Path]:
    """Objects as files of `folder`; a few at a time are in memory. `written` says what each of them must be.

    Raises LakeDamaged, which names all that are not that; without `written` UnavailableError if one is missing.
    """
    damaged: dict[str, str] = {}

    def one(key: str) -> Path:
        blob = store.read(key)
        if written is not None:
            body = blob.body if blob is not None else None
            path = folder / f"fetched-{key.replace('/', '-')}"
            why = damage.reason(body, written[key])
            if why is None:
                path.write_bytes(body or b"")
                if written[key].sha256 is None and not damage.is_readable(path):
                    why = damage.UNREADABLE
            if why is not None:
                damaged[key] = why
            return path
        if blob is None:
            raise UnavailableError(f"{key} is no longer there", code="object_missing", hint="Try again.")
        path = folder / f"fetched-{key.replace('/', '-')}"
        path.write_bytes(blob.body)
        return path

    wanted = list(wanted)
    if len(wanted) < 3:
        found = {key: one(key) for key in wanted}
    else:
        with ThreadPoolExecutor(at_once) as pool:
            found = dict(zip(wanted, pool.map(one, wanted), strict=True))
    if damaged:
        raise LakeDamaged(damaged)
    return found


def put_file(store: ObjectStore, clock: Clock, key: str, path: Path, content_type: str) -> int:
    """Write a file, which is never whole in memory; its size."""
    if not (size := path.stat().st_size):
        put(store, clock, key, b"", content_type)
        return 0
    with path.open("rb") as file, mmap(file.fileno(), 0, access=ACCESS_READ) as mapped:
        put(store, clock, key, mapped, content_type)
    return size


def put(store: ObjectStore, clock: Clock, key: str, body: bytes | mmap, content_type: str) -> None:
    """Write under a key that one writer owns, or that holds the same bytes each time: so it may be repeated."""
    for attempt in range(_WRITE_ATTEMPTS):
        try:
            store.write(key, body, expect=ANYTHING, content_type=content_type)
            return
        except (TryAgain, OutcomeUnknown):
            if attempt == _WRITE_ATTEMPTS - 1:
                raise
            clock.sleep(0.1 * 2**attempt)


class Uploads:
    """Files on their way to the store, several side by side: a store answers after milliseconds, each time. Several
    threads may put.

    A file larger than 4 MB is written before `put` returns, so that few are in memory. Leaving the block without an
    exception waits for all of them, and raises what one of them raised; otherwise those that did not begin are dropped.
    """

    def __init__(self, store: ObjectStore, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self._pool = ThreadPoolExecutor(_WRITES_AT_ONCE)
        self._underway: list[Future[int]] = []
        self._lock = Lock()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, exc: BaseException | None, tb: TracebackType | None) -> None:
        self._pool.shutdown(wait=True, cancel_futures=kind is not None)
        if kind is None:
            self.wait()

    def put(self, key: str, path: Path, content_type: str, *, remove: bool = False) -> int:
        """Write a file, which nobody changes until `wait`, and then `remove` it; its size."""

        def write() -> int:
            size = put_file(self._store, self._clock, key, path, content_type)
            if remove:
                path.unlink()
            return size

        size = path.stat().st_size
        if size > _SMALL_FILE_BYTES:
            return write()
        if len(self._underway) >= _FILES_AHEAD:
            self.wait()
        with self._lock:
            self._underway.append(self._pool.submit(write))
        return size

    def wait(self) -> None:
        """Until all files are written. Raises what writing one of them raised."""
        with self._lock:
            underway, self._underway = self._underway, []
        for future in underway:
            future.result()
