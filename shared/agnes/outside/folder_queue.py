"""Queues in a folder: the embedded default. At least once, as SQS; several processes may share it.

    <root>/<queue>/ready/<ulid>.<attempts>                     waits, oldest first
    <root>/<queue>/taken/<until>.<ulid>.<attempts>             somebody works on it, until that Unix millisecond
    <root>/<queue>/failed/<ulid>.<attempts>                    was delivered too often; the dead letters
    <root>/<queue>/new/…                                       being written

A message is one file whose *name* says its state, so every step is one rename: atomic, and won by one
process only. A message is there once `send` returned, whatever is killed when; it may come twice, if its
consumer died, or was slower than its visibility.
"""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from agnes.kernel.clock import SystemClock
from agnes.kernel.errors import InvalidError
from agnes.kernel.ids import new_ulid
from agnes.kernel.ports import Clock, Message

_NAME = re.compile(r"[a-z][a-z0-9_-]{0,63}")
_FOLDERS = ("new", "ready", "taken", "failed")


@dataclass(frozen=True, slots=True)
class Delivery:
    """A message in a consumer's hands."""

    queue: str
    id: str
    body: str
    """JSON, as it was sent."""
    attempts: int
    """This delivery included."""
    path: Path


class FolderQueue:
    def __init__(self, root: Path | str, *, clock: Clock | None = None) -> None:
        self._root = Path(root)
        self._clock: Clock = clock or SystemClock()

    def send(self, messages: Iterable[Message]) -> None:
        touched = set()
        for message in messages:
            folder = self._folder(message.queue)
            name = f"{new_ulid(self._clock.now())}.0"
            _write(folder / "new" / name, msgspec.json.encode(message.body))
            (folder / "new" / name).rename(folder / "ready" / name)
            touched.add(folder / "ready")
        for ready in touched:
            _sync(ready)

    def again(self, record: Mapping[str, Any]) -> None:
        """Who feeds the consumers, does it: `release`."""

    def receive(self, queue: str, *, visibility_seconds: float, max_attempts: int, at_most: int = 1) -> list[Delivery]:
        """Take up to `at_most` messages for `visibility_seconds`; acknowledge or release each.

        What was delivered `max_attempts` times already goes to the dead letters instead.
        """
        folder = self._folder(queue)
        self._return_overdue(folder)
        taken: list[Delivery] = []
        for name in _names(folder / "ready"):
            if len(taken) == at_most:
                break
            delivery = self._take(folder, name, visibility_seconds, max_attempts)
            if delivery is not None:
                taken.append(delivery)
        return taken

    def acknowledge(self, delivery: Delivery) -> None:
        """The work is done. Of a delivery that is overdue this may come too late: then the message comes again."""
        delivery.path.unlink(missing_ok=True)

    def release(self, delivery: Delivery, *, delay_seconds: float = 0.0) -> None:
        """The work failed: let the message come again, after `delay_seconds`."""
        later = delivery.path.with_name(f"{self._until(delay_seconds)}.{delivery.id}.{delivery.attempts}")
        with contextlib.suppress(FileNotFoundError):
            delivery.path.rename(later)

    def waiting(self, queue: str) -> int:
        """Messages that are ready or taken."""
        folder = self._folder(queue)
        return sum(len(_names(folder / part)) for part in ("ready", "taken"))

    def failed(self, queue: str) -> Iterator[Delivery]:
        """The dead letters, oldest first."""
        for path in sorted((self._folder(queue) / "failed").iterdir()):
            ident, attempts = path.name.split(".")
            yield Delivery(queue, ident, path.read_text(), int(attempts), path)

    def _take(self, folder: Path, name: str, seconds: float, max_attempts: int) -> Delivery | None:
        """None if another process was quicker, or the message is a dead letter now."""
        ident, _, attempts = name.partition(".")
        source = folder / "ready" / name
        try:
            if int(attempts) >= max_attempts:
                source.rename(folder / "failed" / name)
                return None
            target = folder / "taken" / f"{self._until(seconds)}.{ident}.{int(attempts) + 1}"
            source.rename(target)
            return Delivery(folder.name, ident, target.read_text(), int(attempts) + 1, target)
        except FileNotFoundError:
            return None

    def _return_overdue(self, folder: Path) -> None:
        now = self._until(0)
        for name in _names(folder / "taken"):
            until, _, rest = name.partition(".")
            if until <= now:
                with contextlib.suppress(FileNotFoundError):  # another process did it
                    (folder / "taken" / name).rename(folder / "ready" / rest)

    def _until(self, seconds: float) -> str:
        return f"{int((self._clock.now().timestamp() + seconds) * 1000):015d}"

    def _folder(self, queue: str) -> Path:
        if not _NAME.fullmatch(queue):
            raise InvalidError(f"not the name of a queue: {queue[:100]!r}", code="invalid_queue")
        folder = self._root / queue
        if not (folder / "failed").is_dir():
            for part in _FOLDERS:
                (folder / part).mkdir(parents=True, exist_ok=True, mode=0o700)
        return folder


def _names(folder: Path) -> list[str]:
    return sorted(entry.name for entry in os.scandir(folder))


def _write(path: Path, body: bytes) -> None:
    with path.open("xb") as file:
        file.write(body)
        file.flush()
        os.fsync(file.fileno())


def _sync(folder: Path) -> None:
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
