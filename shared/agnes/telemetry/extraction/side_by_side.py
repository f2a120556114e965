"""Sessions extracted in this process and, as soon as that is worth it, in others beside it.

Which process extracts a session changes nothing of it, so the order in which they are done is nobody's concern. Others
get sessions of ordinary size only: what two processes hold at once stays within the memory of a run, and one that is
lost has cost little.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Self

import msgspec

from agnes.kernel.errors import UnavailableError
from agnes.telemetry.extraction.processes import OtherProcess
from agnes.telemetry.extraction.session import Extracted, PackedFile, SessionExtractor
from agnes.telemetry.keys import SessionId
from agnes.telemetry.lake.batch import ScratchDatabase
from agnes.telemetry.lake.ledger import Known
from agnes.telemetry.lake.spool import Spool
from agnes.telemetry.model import FileReport, Limits
from agnes.telemetry.transcripts import packed

log = logging.getLogger("agnes.telemetry")

ORDINARY_BYTES = 4_000_000
"""Plain, of all files of a session that another process may get."""
MOST_PROCESSES = 4
"""More would wait for this one, which reads for all of them."""
AHEAD = 16
"""Sessions that another process has at once: it is busy while this one reads a large session, and at the end this one
does not wait long for it."""
_WAITED_SECONDS = 1.0

_Task = tuple[str, str, list[tuple[str, bytes, datetime]]]
_Answer = tuple[int, Extracted]
_encode = msgspec.msgpack.Encoder().encode
_decode_task: Callable[[bytes], _Task] = msgspec.msgpack.Decoder(_Task).decode
_decode_answer: Callable[[bytes], _Answer] = msgspec.msgpack.Decoder(_Answer).decode


@dataclass(slots=True)
class Stored:
    """A file of a session as it was read; without its `body` where that was too much to keep."""

    file: str
    version: str
    body: bytes | None


@dataclass(slots=True)
class Work:
    """A session to be extracted, with its files in the order in which they are read."""

    session: SessionId
    known: Known
    """What the ledger says of it."""
    stored: list[Stored]
    at: datetime

    def received_at(self, one: Stored) -> datetime:
        before = self.known.files.get(one.file)
        return before.received_at if before is not None and before.version == one.version else self.at


@dataclass(slots=True)
class _Other:
    process: OtherProcess
    spool: Spool
    """Which it writes; its size here is what has been answered for."""
    given: deque[Work]


class SideBySide:
    """One harvest's sessions. What is `take`n comes back sooner or later with what became of it."""

    def __init__(
        self,
        extractor: SessionExtractor,
        bench: ScratchDatabase,
        limits: Limits,
        reread: Callable[[Work, Stored], bool],
    ) -> None:
        """`reread` brings a body that was not kept; False: the file is gone."""
        self._extractor = extractor
        self._bench = bench
        self._limits = limits
        self._reread = reread
        self._spool = bench.new_spool()
        self._others: list[_Other] | None = None
        self._plain_bytes = 0
        """That were extracted here."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, exc: BaseException | None, tb: TracebackType | None) -> None:
        for other in self._others or ():
            other.process.close()
            other.spool.cut(other.spool.size)

    @property
    def underway(self) -> int:
        return sum(len(other.given) for other in self._others or ())

    def take(self, work: Work) -> Iterator[tuple[Work, Extracted]]:
        """What is done by now: this session, if it was extracted here, and what others have answered."""
        if not self._give(work):
            yield work, self._here(work)
        yield from self.done()

    def done(self, wait_seconds: float = 0.0) -> Iterator[tuple[Work, Extracted]]:
        """What others have answered, and what one of them could not do, extracted here."""
        for other in self._others or ():
            for answer in other.process.answers(wait_seconds):
                work = other.given.popleft()
                if answer is None:
                    yield work, self._here(work)
                else:
                    other.spool.size, extracted = _decode_answer(answer)
                    yield work, extracted

    def rest(self) -> Iterator[tuple[Work, Extracted]]:
        """The same, after some waiting: to be asked again as long as something is `underway`."""
        return self.done(_WAITED_SECONDS)

    def _give(self, work: Work) -> bool:
        if self._others is None:
            if self._plain_bytes < self._limits.alone_bytes:
                return False
            self._others = self._start()
        if not self._others or not _is_ordinary(work.stored):
            return False
        other = min(self._others, key=lambda other: other.process.underway)
        if other.process.underway >= AHEAD:
            return False
        task = _encode((*work.session, [(one.file, one.body, work.received_at(one)) for one in work.stored]))
        if taken := other.process.offer(task):
            other.given.append(work)
        return taken

    def _start(self) -> list[_Other]:
        others = []
        for _ in range(min(self._limits.processes, MOST_PROCESSES) - 1):
            spool = self._bench.new_spool()
            folder = spool.path.with_suffix("")
            folder.mkdir()
            work = _Elsewhere(self._extractor, spool.path)
            process = OtherProcess.start(folder, work, patience=self._limits.patience_seconds)
            if process is not None:
                others.append(_Other(process, spool, deque()))
        return others

    def _here(self, work: Work) -> Extracted:
        """Raises UnavailableError."""
        try:
            extracted = self._extractor.extract(*work.session, self._bodies(work), self._spool)
        except UnavailableError:
            raise
        except Exception:  # one session's surprise must not stop the others' figures
            log.exception("session %s cannot be extracted", work.session[1])
            extracted = Extracted(files=[FileReport(one.file, 0, reason="extraction_failed") for one in work.stored])
        self._plain_bytes += sum(report.plain_bytes for report in extracted.files)
        return extracted

    def _bodies(self, work: Work) -> Iterator[PackedFile]:
        """One after another; a file that has gone leaves `stored`."""
        for one in tuple(work.stored):
            if one.body is None and not self._reread(work, one):
                work.stored.remove(one)
                continue
            body, one.body = one.body, None
            yield PackedFile(one.file, body, work.received_at(one))


def _is_ordinary(files: Iterable[Stored]) -> bool:
    return sum(ORDINARY_BYTES if one.body is None else packed.stated_bytes(one.body) for one in files) < ORDINARY_BYTES


class _Elsewhere:
    """What another process does: a session's packed files to its events in a spool of its own."""

    def __init__(self, extractor: SessionExtractor, path: Path) -> None:
        self._extractor = extractor
        self._path = path
        self._spool: Spool | None = None
        self._end = 0
        self._is_clean = True

    def __call__(self, task: bytes) -> bytes:
        if self._spool is None:
            self._spool = Spool(self._path)
        if not self._is_clean:  # one failed half-way
            self._spool.cut(self._end)
        self._is_clean = False
        user_id, session_id, files = _decode_task(task)
        extracted = self._extractor.extract(user_id, session_id, (PackedFile(*one) for one in files), self._spool)
        self._spool.flush()
        self._end, self._is_clean = self._spool.size, True
        return _encode((self._end, extracted))
