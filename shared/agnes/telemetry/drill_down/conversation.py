"""A session as a conversation: its files in the order in which things happened, a part at a time. Pure.

Every piece has a place, (time, file, offset of its line, number in its line), and places only grow within a file: a
line's time is never before that of the line above it. So a part is what follows a place, found without holding more
than one file and one part; a file that grows between two parts adds pieces behind, never before, what was shown. A
part begins where the last one ended: in that file at the very line, in the others at the last mark before that moment
(`Marks`), so that a part costs what it shows however long the session is (decision 45).

What a request may cost is bounded before it begins (decision 72): LINES and BYTES are looked at, and what they did not
reach is the next part's, so a part may be short or even empty and still have a `next_cursor`.
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
from agnes.telemetry.drill_down import pieces
from agnes.telemetry.drill_down.pieces import Piece
from agnes.telemetry.extraction import records
from agnes.telemetry.extraction.reading import EARLIEST
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

LINES, FILE_LINES = 10_000, 10
"""Lines and items of messages that are looked at for a part, and at least of each of its files."""
BYTES = 8_000_000
"""Of the lines that are looked at; one line at least of each file."""
TIMED_LINES = 60_000
"""Lines of a session's own file whose times are read, and of all its subagents' together. What follows in that file has the
time that was reached; real sessions have fewer."""

_BLANK_SHARE = 8
"""Blank bytes that cost what one of a line does."""
_WHOLE_LINE = 99_999_999
"""As the number of a piece: all of the line."""
_ID = re.compile(rf"({AGENT})\.(\d{{1,10}})\.(\d{{1,8}})")
_CURSOR = re.compile(rf"(\d{{1,17}})\.({AGENT})\.(\d{{1,10}})\.(\d{{1,8}})")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class InvalidCursor(BadRequestError):
    code = "invalid_cursor"

    def __init__(self) -> None:
        super().__init__(
            "unrecognised cursor",
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

    file: str
    first: int
    last: int
    """Times of the first and of the last line."""
    times: tuple[int, ...]
    offsets: tuple[int, ...]

    def before(self, micros: int) -> tuple[int, int]:
        """(offset, time) of the last marked line that is earlier than a moment; of the first line if none is."""
        at = bisect_left(self.times, micros) - 1
        return (self.offsets[at], self.times[at]) if at >= 0 else (0, self.first)


def marks(file: TranscriptFile, every: int = MARK_BYTES, *, timed_lines: int = TIMED_LINES) -> Marks:
    """Of a whole file, whose times are read once for it."""
    times: list[int] = []
    offsets: list[int] = []
    now = next_mark = 0
    for micros, offset in _times(file, 0, _untimed_from(file.body, timed_lines)):
        now = max(now, micros)
        if offset >= next_mark:
            times.append(now)
            offsets.append(offset)
            next_mark = offset + every
    return Marks(file.file, times[0] if times else 0, now, tuple(times), tuple(offsets))


class Reading:
    """The first `limit` pieces behind `after`, from one file of `files` after another, in any order."""

    def __init__(
        self,
        *,
        after: Place | None,
        limit: int,
        piece_chars: int = PIECE_CHARS,
        files: int = 1,
        lines: int = LINES,
        size_bytes: int = BYTES,
        timed_lines: int = TIMED_LINES,
    ) -> None:
        self._after = after
        self._limit = limit
        self._piece_chars = piece_chars
        self._kept: list[tuple[Place, Piece]] = []
        self._began = after is None
        self._timed_lines = timed_lines
        self._timed_of_agent = timed_lines // max(1, files - 1)
        self._lines = lines
        self._bytes = size_bytes
        self._horizon: Place | None = None
        """Where looking ended, in the file where it ended first: what is behind it is another part's."""

    def wants(self, marks: Marks) -> bool:
        """Whether a file with these marks may hold anything for the part."""
        begin = Place(marks.last, marks.file != MAIN, marks.file, 0, 0)
        if self._after is not None and begin[:3] < self._after[:3]:
            return False
        if self._horizon is not None and marks.first > self._horizon.micros:
            return False
        return len(self._kept) <= self._limit or marks.first <= self._kept[-1][0].micros

    def timed_lines(self, file: str) -> int:
        """Of a file of the session, whose times are read."""
        return self._timed_lines if file == MAIN else self._timed_of_agent

    def add(self, file: TranscriptFile, marks: Marks | None = None) -> None:
        """Raises InvalidCursor."""
        untimed = _untimed_from(file.body, self.timed_lines(file.file))
        start = self._start(file, marks, untimed)
        if start is not None:
            found = self._behind(file, *start, untimed)
            self._kept = sorted([*self._kept, *found], key=lambda placed: placed[0])[: self._limit + 1]

    def part(self, part_bytes: int = PART_BYTES) -> Part:
        """Fewer pieces if they are large, one at least if any was reached. Raises InvalidCursor if the file in which the
        part before it ended was not among those added."""
        if not self._began:
            raise InvalidCursor
        horizon = self._horizon
        reached = [(place, piece) for place, piece in self._kept if horizon is None or place < horizon]
        size = 0
        found: list[tuple[Place, Piece]] = []
        for place, piece in reached[: self._limit]:
            size += len(msgspec.json.encode(piece))
            if found and size > part_bytes:
                break
            found.append((place, piece))
        following = None
        if len(found) < len(reached):
            following = found[-1][0]
        elif horizon is not None:
            following = horizon
        return Part(tuple(piece for _, piece in found), following.cursor() if following else None)

    def _start(self, file: TranscriptFile, marks: Marks | None, untimed: int) -> tuple[int, int] | None:
        """(offset of the line to begin with, its time); None if the file has nothing behind `after`."""
        after = self._after
        if after is None:
            return 0, next((micros for micros, _ in _times(file, 0, untimed)), 0)
        if file.file == after.file:
            _require_place(file, after, untimed)
            self._began = True
            return after.offset, after.micros
        # Of a file that comes before the cursor's, what happened at that very moment was shown.
        wanted = after.micros + ((file.file != MAIN, file.file) < after[1:3])
        offset, micros = marks.before(wanted) if marks is not None else (0, None)
        if not _begins_line(file.body, offset):
            offset, micros = 0, None
        if micros is None or offset == 0:
            micros = next((found for found, _ in _times(file, 0, untimed)), 0)
        if micros >= wanted:
            return offset, micros
        return next(((at, found) for found, at in _times(file, offset, untimed) if found >= wanted), None)

    def _behind(self, file: TranscriptFile, start: int, now: int, untimed: int) -> list[tuple[Place, Piece]]:
        after, limit = self._after, self._limit + 1
        before = self._kept[-1][0] if len(self._kept) == limit else None
        if self._horizon is not None:
            before = min(before, self._horizon) if before else self._horizon
        lines_left, bytes_left = max(FILE_LINES, self._lines // 2), self._bytes // 2
        is_agent, end = file.file != MAIN, None
        found: list[tuple[Place, Piece]] = []
        for at, offset, line, blank in _timed_lines(file, start, now, untimed):
            begin = Place(at, is_agent, file.file, offset, 0)
            is_new = after is None or file.file != after.file or offset > after.offset or after.number < _WHOLE_LINE
            if (before is not None and begin > before) or len(found) >= limit:
                break
            if end is not None and (lines_left <= 0 or bytes_left <= 0):
                self._horizon = end
                break
            said = pieces.read(line) if is_new and len(line) >= _SHORTEST else None
            spent = 1 + len(said.items) if said else 1
            lines_left, self._lines = lines_left - spent, self._lines - spent
            spent = len(line) + blank // _BLANK_SHARE
            bytes_left, self._bytes = bytes_left - spent, self._bytes - spent
            if is_new:
                end = begin._replace(number=_WHOLE_LINE)
            if said is None:
                continue
            for number, piece in enumerate(pieces.pieces_of(said, file, offset, _moment(at), self._piece_chars)):
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
    files = list(files)
    reading = Reading(after=after, limit=limit, piece_chars=piece_chars, files=len(files))
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
    said = pieces.read(_line_at(file.body, offset))
    for at, piece in enumerate(pieces.pieces_of(said, file, offset, None, None) if said else ()):
        if at == number and start <= piece.chars:
            end = start + chars
            cut = replace(piece, text=piece.text[start:end], is_truncated=start > 0 or end < piece.chars)
            return Excerpt(cut, start, end if end < piece.chars else None)
    raise PieceNotFound


def _begins_line(body: bytes, offset: int) -> bool:
    return offset < len(body) and (offset == 0 or body[offset - 1] == 0x0A)


def _require_place(file: TranscriptFile, place: Place, untimed: int) -> None:
    """A place is trusted no further than it can be checked on its own line: one that was made up shows its maker
    wrong times at worst. Raises InvalidCursor."""
    if not _begins_line(file.body, place.offset):
        raise InvalidCursor
    line = _line_at(file.body, place.offset)
    latest = max(0, (file.received_at - _EPOCH) // timedelta(microseconds=1))
    stated = _time(line, file.received_at) if place.offset < untimed else 0
    if not stated <= place.micros <= latest:
        raise InvalidCursor
    if place.number != _WHOLE_LINE:
        said = pieces.read(line)
        if said is None or place.number >= sum(1 for _ in pieces.pieces_of(said, file, place.offset, None, 0)):
            raise InvalidCursor


def _moment(micros: int) -> datetime | None:
    return _EPOCH + timedelta(microseconds=micros) if micros else None


class _Head(Struct, gc=False):
    timestamp: datetime | None = None


_head = msgspec.json.Decoder(_Head).decode


_STAMP = b'"timestamp"'
_SOMETHING = re.compile(rb"[^ \t\r\n]")
_SHORTEST = len('{"tool_use_result":0}')
"""Of a line that may say something."""


def _times(file: TranscriptFile, start: int, end: int) -> Iterator[tuple[int, int]]:
    """(microseconds since 1970, offset) of the lines from `start` to `end` that state a time, as they state it."""
    body, view = file.body, memoryview(file.body)
    at = body.find(_STAMP, start)
    while 0 <= at < end:
        begin = max(start, body.rfind(b"\n", start, at) + 1)
        start = body.find(b"\n", at) + 1 or len(body) + 1
        if micros := _time(view[begin : start - 1], file.received_at):
            yield micros, begin
        at = body.find(_STAMP, start)


def _untimed_from(body: bytes, timed_lines: int) -> int:
    """The offset behind so many lines that may state a time."""
    if body.count(_STAMP) <= timed_lines:
        return len(body)
    end = 0
    for _ in range(timed_lines):
        at = body.find(_STAMP, end)
        if at < 0:
            return len(body)
        end = body.find(b"\n", at) + 1 or len(body)
    return end


def _timed_lines(
    file: TranscriptFile, start: int, now: int, untimed: int
) -> Iterator[tuple[int, int, memoryview, int]]:
    """(microseconds since 1970, offset, line, blank bytes before it) from the line at `start` on, which `now` is the time of.
    Lines without a time have that of the line above, the first ones that of the first line which has one; a file
    without any has 0. Blank lines are none; what is blank at the end is one line."""
    body, view, size = file.body, memoryview(file.body), len(file.body)
    stamp = body.find(_STAMP, start)
    while start < size:
        begin, blank = start, 0
        if body[begin] in b" \t\r\n":
            found = _SOMETHING.search(body, begin)
            if found is None:
                yield now, begin, view[begin:begin], size - begin
                return
            begin = max(start, body.rfind(b"\n", start, found.start()) + 1)
            blank = found.start() - start
        end = body.find(b"\n", begin)
        if end < 0:
            end = size
        if begin < untimed and stamp >= 0:
            if stamp < begin:
                stamp = body.find(_STAMP, begin)
            if 0 <= stamp < end:
                now = max(now, _time(view[begin:end], file.received_at))
        yield now, begin, view[begin:end], blank
        start = end + 1


def _line_at(body: bytes, offset: int) -> memoryview:
    end = body.find(b"\n", offset)
    return memoryview(body)[offset : end if end >= 0 else len(body)]


def _time(line: memoryview, latest: datetime) -> int:
    """0: the line has none, or a wrong one."""
    try:
        at = _head(line).timestamp
    except records.UNREADABLE:
        record = records.lenient(bytes(line))
        at = record.timestamp if record else None
    if at is None:
        return 0
    try:
        at = (at if at.tzinfo else at.replace(tzinfo=UTC)).astimezone(UTC)
    except OverflowError:
        return 0
    return 0 if at < EARLIEST else (min(at, latest) - _EPOCH) // timedelta(microseconds=1)
