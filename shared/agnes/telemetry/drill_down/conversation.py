"""A session as a conversation: its files in the order in which things happened, a part at a time. Pure.

Every piece has a place, (time, file, offset of its line, number in its line), and places only grow within a file: a line's
time is never before that of the line above it. So a part is what follows a place, found without holding more than one file
and one part; a file that grows between two parts adds pieces behind, never before, what was shown. A part begins where the last
one ended: in that file at the very line, in the others at the last mark before that moment (`Marks`), so that a part costs what it
shows however long the session is (decision 122). What a transcript says is anybody's text: pieces carry it as it is, cut at a length, and whoever shows it makes it safe
(`agnes.edge.showing`).
"""

from __future__ import annotations

import json
import re
from bisect import bisect_left
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

import msgspec
from msgspec import Struct

from agnes.kernel.errors import BadRequestError, NotFoundError
from agnes.telemetry.extraction import records
from agnes.telemetry.extraction.extract import EARLIEST
from agnes.telemetry.keys import MAIN
from agnes.telemetry.model import TranscriptFile

TEXT, THINKING, TOOL_USE, TOOL_RESULT, OTHER = "text", "thinking", "tool_use", "tool_result", "other"
PIECE_CHARS = 20_000
"""Of a piece's text in a part; `is_truncated` says that there is more, and `whole` has it."""
PART_BYTES = 1_000_000
"""Of a part, as JSON. A function's answer may have 6 MB, after its quotes were escaped once more."""
WHOLE_CHARS = 200_000
"""Of one answer about one piece."""
MARK_BYTES = 262_144
"""From one mark of a file to the next."""

_TITLE_CHARS = 160
_TITLES = ("command", "file_path", "notebook_path", "skill", "subagent_type", "pattern", "url", "query", "description")
"""Fields of a call's input that tell what it is about, the best first."""
_COMMAND = re.compile(r"<command-name>(/[\w:.-]{1,100})</command-name>")
_ARGUMENTS = re.compile(r"<command-args>(.*?)</command-args>", re.DOTALL)
_ID = re.compile(r"([A-Za-z0-9][A-Za-z0-9_-]{0,63})\.(\d{1,10})\.(\d{1,8})")
_CURSOR = re.compile(r"(\d{1,17})\.([A-Za-z0-9][A-Za-z0-9_-]{0,63})\.(\d{1,10})\.(\d{1,8})")
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
class Piece:
    """One thing that was said or done: a text, a call, its result."""

    id: str
    type: str
    """text, tool_use, tool_result; thinking, and other for what a later client may write."""
    role: str
    """user or assistant; what tools answer is the user's."""
    at: datetime | None
    agent_id: str | None
    """The subagent whose file it is in; None in the main file."""
    uuid: str | None
    model: str | None
    tool_name: str | None
    tool_use_id: str | None
    is_error: bool
    is_meta: bool
    """Written by the client for the model, not typed by anybody."""
    is_sidechain: bool
    title: str
    """A line that tells what a call or a typed command is about; may be empty."""
    text: str
    chars: int
    """Of the whole text."""
    is_truncated: bool


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
            for number, piece in enumerate(_pieces(line, file, offset, _moment(at), self._piece_chars)):
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
    for at, piece in enumerate(_pieces(line, file, offset, None, None)):
        if at == number and start <= piece.chars:
            end = start + chars
            cut = replace(piece, text=piece.text[start:end], is_truncated=start > 0 or end < piece.chars)
            return Excerpt(cut, start, end if end < piece.chars else None)
    raise PieceNotFound


def _begins_line(body: bytes, offset: int) -> bool:
    return offset < len(body) and (offset == 0 or body[offset - 1] == 0x0A)


def _require_place(file: TranscriptFile, place: Place) -> None:
    """A place is trusted no further than it can be checked on its own line: one that was made up shows its maker wrong times
    at worst. Raises InvalidCursor."""
    if not _begins_line(file.body, place.offset):
        raise InvalidCursor
    line = next(_lines(file.body, place.offset))[1]
    latest = max(0, (file.received_at - _EPOCH) // timedelta(microseconds=1))
    if not _time(line, file.received_at) <= place.micros <= latest:
        raise InvalidCursor
    if place.number >= sum(1 for _ in _pieces(line, file, place.offset, None, 0)):
        raise InvalidCursor


def _moment(micros: int) -> datetime | None:
    return _EPOCH + timedelta(microseconds=micros) if micros else None


class _Head(Struct, gc=False):
    timestamp: datetime | None = None


_head = msgspec.json.Decoder(_Head).decode


def _timed_lines(file: TranscriptFile, start: int, now: int | None) -> Iterator[tuple[int, int, memoryview]]:
    """(microseconds since 1970, offset, line) from the line at `start` on, whose time is `now` if that is known. Lines without a
    time have that of the line above, the first ones that of the first line which has one; a file without any has 0."""
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


def _pieces(
    line: memoryview, file: TranscriptFile, offset: int, at: datetime | None, piece_chars: int | None
) -> Iterator[Piece]:
    record = _object(line)
    role, message = records.text(record.get("type")), record.get("message")
    if role == "tool_use_result" or (role is None and "tool_use_result" in record):
        items, message, role = [{**record, "type": TOOL_RESULT}], {}, "user"  # as old clients wrote it
    elif role not in records.TURNS or not isinstance(message, dict):
        return
    else:
        content = message.get("content")
        items = content if isinstance(content, list) else [content]
    number = 0
    for item in items:
        said = _said(item)
        if said is None:
            continue
        kind, title, text = said
        called = item if isinstance(item, dict) else {}
        yield Piece(
            id=f"{file.file}.{offset}.{number}",
            type=kind,
            role=role,
            at=at,
            agent_id=None if file.file == MAIN else file.file,
            uuid=records.text(record.get("uuid")),
            model=records.text(message.get("model")) if role == "assistant" else None,
            tool_name=records.text(called.get("name")) if kind == TOOL_USE else None,
            tool_use_id=records.text(
                called.get("id") if kind == TOOL_USE else called.get("tool_use_id") or called.get("toolUseId")
            ),
            is_error=kind == TOOL_RESULT and bool(called.get("is_error")),
            is_meta=bool(record.get("isMeta") or record.get("isCompactSummary")),
            is_sidechain=bool(record.get("isSidechain")) or file.file != MAIN,
            title=title[:_TITLE_CHARS],
            text=text if piece_chars is None else text[:piece_chars],
            chars=len(text),
            is_truncated=piece_chars is not None and len(text) > piece_chars,
        )
        number += 1


def _object(line: memoryview) -> dict[str, Any]:
    """What a line says; empty if that is no object."""
    try:
        found = msgspec.json.decode(line)
    except records.UNREADABLE:
        try:
            found = json.loads(bytes(line).decode("utf-8", "replace"))
        except (ValueError, RecursionError):
            return {}
    return found if isinstance(found, dict) else {}


def _said(item: Any) -> tuple[str, str, str] | None:
    """(type, title, text) of an item of a message's content; None if it says nothing."""
    if isinstance(item, str):
        return (TEXT, _command(item), _clean(item)) if item.strip() else None
    if not isinstance(item, dict):
        return None
    kind = item.get("type")
    if kind == "text" and isinstance(item.get("text"), str):
        return _said(item["text"])
    if kind in ("thinking", "redacted_thinking"):
        thought = item.get("thinking")
        return (THINKING, "", _clean(thought)) if isinstance(thought, str) and thought.strip() else None
    if kind in (TOOL_USE, "server_tool_use"):
        given = item.get("input")
        return TOOL_USE, _title(given), _written(given)
    if kind == TOOL_RESULT or (isinstance(kind, str) and kind.endswith("_tool_result")):
        return TOOL_RESULT, "", _result(item.get("content"))
    return OTHER, records.text(kind) or "", _written({k: v for k, v in item.items() if k != "source"})


def _result(content: Any) -> str:
    if not isinstance(content, list):
        return _written(content)
    return "\n".join(_result_item(item) for item in content)


def _result_item(item: Any) -> str:
    if isinstance(item, dict):
        if isinstance(item.get("text"), str):
            return _clean(item["text"])
        source = item.get("source")
        if isinstance(source, dict):
            return f"[{_clean(str(item.get('type')))} {_clean(str(source.get('media_type') or ''))}]".replace(" ]", "]")
    return _written(item)


def _written(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, str):
        return _clean(value)
    try:
        return msgspec.json.format(msgspec.json.encode(value), indent=2).decode()
    except (ValueError, RecursionError):  # half a character, or thousands of brackets
        try:
            return json.dumps(value)
        except RecursionError:
            return "[nested too deeply]"


def _title(given: Any) -> str:
    if not isinstance(given, dict):
        return ""
    return next((_line(given[name]) for name in _TITLES if isinstance(given.get(name), str)), "")


def _command(text: str) -> str:
    found = _COMMAND.search(text[:2000])
    if found is None:
        return ""
    arguments = _ARGUMENTS.search(text[:2000])
    return _line(f"{found[1]} {arguments[1] if arguments else ''}")


def _line(text: str) -> str:
    return " ".join(_clean(text[: 4 * _TITLE_CHARS]).split())


def _clean(text: str) -> str:
    return records.text(text) or ""
