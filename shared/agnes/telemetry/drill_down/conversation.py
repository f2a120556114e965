"""A session as a conversation: its files in the order in which things happened, a part at a time. Pure.

Every piece has a place, (time, file, offset of its line, number in its line), and places only grow within a file: a
line's time is never before that of the line above it. So a part is what follows a place, found without holding more
than one file and one part; a file that grows between two parts adds pieces behind, never before, what was shown. A
part begins where the last one ended: in that file at the very line, in the others at the last mark before that moment
(`Marks`), so that a part costs what it shows however long the session is (decision 122).
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

import msgspec
from msgspec import Struct

from agnes.kernel.errors import BadRequestError, NotFoundError
from agnes.telemetry.drill_down.pieces import Piece, pieces_of
from agnes.telemetry.extraction import records
from agnes.telemetry.extraction.extract import EARLIEST
from agnes.telemetry.keys import AGENT, MAIN
from agnes.telemetry.model import TranscriptFile

PIECE_CHARS = 20_000
"""Of a piece's text in a part; `is_truncated` says that there is more, and `whole` has it."""
PART_BYTES = 1_000_000
"""Of a part, as JSON. A function's answer may have 6 MB, after its quotes were escaped once more."""
WHOLE_CHARS = 200_000
"""Of one answer about one piece."""
MARK_BYTES = 262_144
"""From one mark of a file to the next."""

_ID = re.compile(rf"({AGENT})\.(\d{{1,10}})\.(\d{{1,8}})")
_CURSOR = re.compile(rf"(\d{{1,17}})\.({AGENT})\.(\d{{1,10}})\.(\d{{1,8}})")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class InvalidCursor(BadRequestError):
    code = "invalid_cursor"

    def __init__(self) -> None:
        super().__init__(
            "this cursor is none of ours",
            hint="Take `next_cursor` of the part before, or leave it out to begin again; the session may have been replaced.",
        )


class PieceNotFound(NotFoundError):
    code = "piece_not_found"

    def __init__(self) -> None:
        super().__init__(
            "the session has no such piece", hint="Ids are in the session's transcript; it may have changed."
        )


class Place(NamedTuple):
    """Where a piece is; compares as the pieces are ordered, the main file first among equal times."""

    micros: int
    is_agent: bool
    file: str
    offset: int
    number: int

    def cursor(self) -> str:
        return f"{self.micros}.{self.file}.{self.offset}.{self.number}"

    @classmethod
    def of_cursor(cls, cursor: str) -> Place:
        """Raises InvalidCursor."""
        found = _CURSOR.fullmatch(cursor)
        if found is None:
            raise InvalidCursor
        return cls(int(found[1]), found[2] != MAIN, found[2], int(found[3]), int(found[4]))


@dataclass(frozen=True, slots=True)
class Part:
    pieces: tuple[Piece, ...]
    next_cursor: str | None


@dataclass(frozen=True, slots=True)
class Excerpt:
    """A stretch of one piece's text."""

    piece: Piece
    start: int
    next_start: int | None


@dataclass(frozen=True, slots=True)
class Marks:
    """Lines of a file with their times, one every MARK_BYTES: whoever looks for a moment reads one stretch of it."""

    first: int
    last: int
    """Times of the first and of the last line."""
    times: tuple[int, ...]
    offsets: tuple[int, ...]

    def before(self, micros: int) -> tuple[int, int]:
        """(offset, time) of the last marked line that is earlier than a moment; of the first line if none is."""
        at = max(0, bisect_left(self.times, micros) - 1)
        return (self.offsets[at], self.times[at]) if self.times else (0, 0)


def marks(file: TranscriptFile, every: int = MARK_BYTES) -> Marks:
    """Of a whole file, which is read once for it."""
    times, offsets, first, last, next_mark = [], [], 0, 0, 0
    for micros, offset, _ in _timed_lines(file, 0, None):
        if offset >= next_mark:
            times.append(micros)
            offsets.append(offset)
            first, next_mark = times[0], offset + every
        last = micros
    return Marks(first, last, tuple(times), tuple(offsets))


class Reading:
    """The first `limit` pieces behind `after`, from one file after another, in any order."""

    def __init__(self, *, after: Place | None, limit: int, piece_chars: int = PIECE_CHARS) -> None:
        self._after = after
        self._limit = limit
        self._piece_chars = piece_chars
        self._kept: list[tuple[Place, Piece]] = []
        self._began = after is None

    def wants(self, marks: Marks) -> bool:
        """Whether a file with these marks may hold anything for the part."""
        if self._after is not None and marks.last < self._after.micros:
            return False
        return len(self._kept) <= self._limit or marks.first <= self._kept[-1][0].micros

    def add(self, file: TranscriptFile, marks: Marks | None = None) -> None:
        """Raises InvalidCursor."""
        found = self._behind(file, *self._start(file, marks))
        self._kept = sorted([*self._kept, *found], key=lambda placed: placed[0])[: self._limit + 1]

    def part(self, part_bytes: int = PART_BYTES) -> Part:
        """Fewer pieces if they are large, one at least if there is any. Raises InvalidCursor if the file in which the
        part before it ended was not among those added."""
        if not self._began:
            raise InvalidCursor
        size, pieces = 0, []
        for place, piece in self._kept[: self._limit]:
            size += len(msgspec.json.encode(piece))
            if pieces and size > part_bytes:
                break
            pieces.append((place, piece))
        more = len(pieces) < len(self._kept)
        return Part(tuple(piece for _, piece in pieces), pieces[-1][0].cursor() if more else None)

    def _start(self, file: TranscriptFile, marks: Marks | None) -> tuple[int, int | None]:
        """(offset of the line to begin with, its time if known)."""
        if self._after is None:
            return 0, None
        if file.file == self._after.file:
            _require_place(file, self._after)
            self._began = True
            return self._after.offset, self._after.micros
        if marks is None:
            return 0, None
        offset, micros = marks.before(self._after.micros)
        return (offset, micros) if _begins_line(file.body, offset) else (0, None)

    def _behind(self, file: TranscriptFile, start: int, micros: int | None) -> list[tuple[Place, Piece]]:
        after, limit = self._after, self._limit + 1
        before = self._kept[-1][0] if len(self._kept) == limit else None
        is_agent, found = file.file != MAIN, []
        for at, offset, line in _timed_lines(file, start, micros):
            begin = Place(at, is_agent, file.file, offset, 0)
            if after is not None and begin[:4] < after[:4]:
                continue
            if (before is not None and begin > before) or len(found) >= limit:
                break
            for number, piece in enumerate(pieces_of(line, file, offset, _moment(at), self._piece_chars)):
                place = begin._replace(number=number)
                if after is None or place > after:
                    found.append((place, piece))
                    if len(found) >= limit:
                        break
        return found


def part(
    files: Iterable[TranscriptFile],
    *,
    after: Place | None = None,
    limit: int,
    part_bytes: int = PART_BYTES,
    piece_chars: int = PIECE_CHARS,
) -> Part:
    """The part behind `after` of all of these files. Raises InvalidCursor."""
    reading = Reading(after=after, limit=limit, piece_chars=piece_chars)
    for file in files:
        reading.add(file)
    return reading.part(part_bytes)


def file_of(piece_id: str) -> str:
    """Which file a piece is in: `main`, or a subagent's id. Raises PieceNotFound."""
    found = _ID.fullmatch(piece_id)
    if found is None:
        raise PieceNotFound
    return found[1]


def whole(file: TranscriptFile, piece_id: str, *, start: int = 0, chars: int = WHOLE_CHARS) -> Excerpt:
    """A piece with `chars` of its text from `start` on. Raises PieceNotFound."""
    found = _ID.fullmatch(piece_id)
    if found is None:
        raise PieceNotFound
    offset, number = int(found[2]), int(found[3])
    if not _begins_line(file.body, offset):
        raise PieceNotFound
    line = next(_lines(file.body, offset))[1]
    for at, piece in enumerate(pieces_of(line, file, offset, None, None)):
        if at == number and start <= piece.chars:
            end = start + chars
            cut = replace(piece, text=piece.text[start:end], is_truncated=start > 0 or end < piece.chars)
            return Excerpt(cut, start, end if end < piece.chars else None)
    raise PieceNotFound


def _begins_line(body: bytes, offset: int) -> bool:
    return offset < len(body) and (offset == 0 or body[offset - 1] == 0x0A)


def _require_place(file: TranscriptFile, place: Place) -> None:
    """A place is trusted no further than it can be checked on its own line: one that was made up shows its maker
    wrong times at worst. Raises InvalidCursor."""
    if not _begins_line(file.body, place.offset):
        raise InvalidCursor
    line = next(_lines(file.body, place.offset))[1]
    latest = max(0, (file.received_at - _EPOCH) // timedelta(microseconds=1))
    if not _time(line, file.received_at) <= place.micros <= latest:
        raise InvalidCursor
    if place.number >= sum(1 for _ in pieces_of(line, file, place.offset, None, 0)):
        raise InvalidCursor


def _moment(micros: int) -> datetime | None:
    return _EPOCH + timedelta(microseconds=micros) if micros else None


class _Head(Struct, gc=False):
    timestamp: datetime | None = None


_head = msgspec.json.Decoder(_Head).decode


def _timed_lines(file: TranscriptFile, start: int, now: int | None) -> Iterator[tuple[int, int, memoryview]]:
    """(microseconds since 1970, offset, line) from the line at `start` on, whose time is `now` if that is known.
    Lines without a time have that of the line above, the first ones that of the first line which has one; a file
    without any has 0."""
    if now is None:
        times = (at for _, line in _lines(file.body) if (at := _time(line, file.received_at)))
        now = next(times, 0)
    for offset, line in _lines(file.body, start):
        now = max(now, _time(line, file.received_at))
        yield now, offset, line


def _lines(body: bytes, start: int = 0) -> Iterator[tuple[int, memoryview]]:
    view, size = memoryview(body), len(body)
    while start < size:
        end = body.find(b"\n", start)
        if end < 0:
            end = size
        yield start, view[start:end]
        start = end + 1


def _time(line: memoryview, latest: datetime) -> int:
    """0: the line has none, or a wrong one."""
    try:
        at = _head(line).timestamp
    except records.UNREADABLE:
        record = records.lenient(bytes(line))
        at = record and record.timestamp
    if at is None:
        return 0
    try:
        at = (at if at.tzinfo else at.replace(tzinfo=UTC)).astimezone(UTC)
    except OverflowError:
        return 0
    return 0 if at < EARLIEST else (min(at, latest) - _EPOCH) // timedelta(microseconds=1)
