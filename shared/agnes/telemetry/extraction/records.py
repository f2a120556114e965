"""The lines of a transcript as typed records: decoded strictly and fast, else leniently, else skipped.

Only what is asked for becomes an object; msgspec walks over the rest, which is most of the bytes. Types are open:
what a field is expected to be is in the Structs, and a record that has something else there is read again without
expectations, so that one odd field costs that field only. Fields are those that the client was seen to write (docs/claude-code-client.md).
"""

from __future__ import annotations

import codecs
import json
import re
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import msgspec
from msgspec import Raw, Struct

UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
"""What msgspec raises for JSON that is none, is of other types, is not UTF-8, or nests a thousand deep."""

MAX_TOKENS = 1_000_000_000
"""Of one message; more is no count, but an attempt to break a sum."""


class CacheCreation(Struct, gc=False):
    """Cache writes by how long they are kept."""

    ephemeral_1h_input_tokens: int | None = None
    ephemeral_5m_input_tokens: int | None = None


class ServerToolUse(Struct, gc=False):
    web_search_requests: int | None = None


class Usage(Struct, gc=False):
    """What a response took. `iterations` stays JSON: nearly always it is empty, or repeats the rest."""

    input_tokens: int | None = None
    cache_creation_input_tokens: int | None = None
    cache_read_input_tokens: int | None = None
    output_tokens: int | None = None
    server_tool_use: ServerToolUse | None = None
    service_tier: str | None = None
    cache_creation: CacheCreation | None = None
    inference_geo: str | None = None
    iterations: Raw = Raw()
    speed: str | None = None


class Block(Struct, gc=False):
    """One item of a message's content. `input` and `text` stay JSON until somebody wants them."""

    type: str | None = None
    id: str | None = None
    name: str | None = None
    input: Raw = Raw()
    text: Raw = Raw()
    tool_use_id: str | None = None
    is_error: bool | None = None


class Message(Struct, gc=False):
    id: str | None = None
    model: str | None = None
    content: str | list[Block] | None = None
    usage: Usage | None = None


class Origin(Struct, gc=False):
    """Who made a text, as the client says: `agnes.claude_code.prompts.ORIGINS`."""

    kind: str | None = None


class Attachment(Struct, gc=False):
    """What the client put beside a turn. `queued_command`: a text that a running turn took up."""

    type: str | None = None
    prompt: Raw = Raw()
    """Of a queued command: a text, or blocks of a message's content."""
    commandMode: str | None = None  # noqa: N815 (the client's names, here and below)
    source_uuid: str | None = None
    """Identifies what was queued, in every copy of it."""
    origin: Origin | None = None
    isMeta: bool | None = None  # noqa: N815
    textNotTyped: bool | None = None  # noqa: N815
    content: Raw = Raw()
    """Of a listing of skills: a text (`agnes.claude_code.listings`)."""
    names: Raw = Raw()
    addedTypes: Raw = Raw()  # noqa: N815
    addedNames: Raw = Raw()  # noqa: N815
    addedLines: Raw = Raw()  # noqa: N815
    carriedByCompaction: bool | None = None  # noqa: N815
    """A copy that a compaction made."""


class Record(Struct, gc=False):
    """Fields in the order in which the client writes them: msgspec looks for a field after the one before."""

    parentUuid: str | None = None  # noqa: N815
    isSidechain: bool | None = None  # noqa: N815
    agentId: str | None = None  # noqa: N815
    message: Message | None = None
    requestId: str | None = None  # noqa: N815
    requestRef: str | None = None  # noqa: N815
    requestSessionId: str | None = None  # noqa: N815
    attributionSkill: str | None = None  # noqa: N815
    attributionAgent: str | None = None  # noqa: N815
    attributionPlugin: str | None = None  # noqa: N815
    attributionMcpServer: str | None = None  # noqa: N815
    attributionMcpTool: str | None = None  # noqa: N815
    type: str | None = None
    attachment: Attachment | None = None
    uuid: str | None = None
    timestamp: datetime | None = None
    effort: str | None = None
    cwd: str | None = None


class Marks(Struct, gc=False):
    """What only texts of the user, the client's bills and results outside of messages have: a line is read for it when it is
    wanted, since every field that is expected costs something of every line."""

    isMeta: bool | None = None  # noqa: N815
    isCompactSummary: bool | None = None  # noqa: N815
    tool_use_id: str | None = None
    toolUseId: str | None = None  # noqa: N815
    is_error: bool | None = None
    origin: Origin | None = None
    promptSource: str | None = None  # noqa: N815
    totalCostUSD: float | None = None  # noqa: N815
    modelUsage: Raw = Raw()  # noqa: N815
    hasUnknownModelCost: bool | None = None  # noqa: N815
    turnOrigin: str | None = None  # noqa: N815
    rowSource: str | None = None  # noqa: N815
    isVisibleInTranscriptOnly: bool | None = None  # noqa: N815
    isVirtual: bool | None = None  # noqa: N815
    planContent: Raw = Raw()  # noqa: N815
    wakeupSource: Raw = Raw()  # noqa: N815
    textNotTyped: bool | None = None  # noqa: N815
    handedOff: bool | None = None  # noqa: N815
    queueTranscriptOnly: bool | None = None  # noqa: N815
    turnCompanion: bool | None = None  # noqa: N815
    stackedExpansion: bool | None = None  # noqa: N815
    """A further command of a line that holds several."""


if TYPE_CHECKING:

    class FullRecord(Record, Marks):
        """A record with its marks, of a line that was read by itself."""

else:  # a Struct has one base at run time
    FullRecord = msgspec.defstruct(
        "FullRecord",
        [(field.name, field.type, field.default) for field in msgspec.structs.fields(Marks)],
        bases=(Record,),
        gc=False,
    )


_strict = msgspec.json.Decoder(FullRecord).decode
_marks = msgspec.json.Decoder(Marks).decode
_strict_lines = msgspec.json.Decoder(Record).decode_lines

TURNS = frozenset({"user", "assistant"})
"""Records with a message."""

_BLOCK_BYTES = 1 << 18
_OPEN, _CLOSE = b"{}"
_BLANK = b" \t\r\n"
_SOMETHING = re.compile(rb"[^ \t\r\n]")


MAX_VALUES = 1_000_000
"""Of JSON in one line that is decoded; a line of more is skipped, since its objects would be gigabytes of memory."""

ODD_LINES = 50_000
"""Of one session that are read leniently, which takes ten times as long; further ones are skipped."""


class Lenience:
    """How many odd lines of a session are still read."""

    __slots__ = ("left",)

    def __init__(self, left: int = ODD_LINES) -> None:
        self.left = left

    def read(self, line: bytes) -> FullRecord | None:
        """None if there were too many before, or if nothing of the line can be used."""
        self.left -= 1
        return lenient(line) if self.left >= 0 else None


def has_too_many_values(line: bytes | memoryview) -> bool:
    """Commas and brackets within texts count too, so JSON never has more values than are counted."""
    if len(line) <= MAX_VALUES:
        return False
    plain = bytes(line)
    return plain.count(b",") + plain.count(b"[") + plain.count(b"{") > MAX_VALUES


class Lines:
    """The records of some lines of a file: an item for each line that is not blank, None if it is no JSON object, or not read for
    one of the bounds."""

    __slots__ = ("_ends", "_lenience", "_start", "_view", "records")

    def __init__(
        self,
        view: memoryview,
        start: int,
        ends: list[int],
        lenience: Lenience,
        records: list[Record | None] | None,
    ) -> None:
        """`ends` of the lines from `start`; without `records` they are read one by one."""
        self._view = view
        self._start = start
        self._ends = ends
        self._lenience = lenience
        self.records: list[Record | None] = (
            list(_one_by_one(view, start, ends, lenience)) if records is None else records
        )

    def marks(self, number: int) -> Marks | FullRecord | None:
        """Those of the record of that number; None if they cannot be read."""
        record = self.records[number]
        if isinstance(record, FullRecord):
            return record
        line = self._view[self._ends[number - 1] + 1 if number else self._start : self._ends[number]]
        try:
            return _marks(line)
        except UNREADABLE:
            return self._lenience.read(bytes(line))


def lines(body: bytes, lenience: Lenience | None = None) -> Iterator[Lines]:
    """The records of a file, some at a time."""
    view, size, start = memoryview(body), len(body), 0
    lenience = lenience or Lenience()
    while start < size:
        if body[start] in _BLANK:
            found = _SOMETHING.search(body, start)
            if found is None:
                return
            start = max(start, body.rfind(b"\n", start, found.start()) + 1)
        ends, sound = _line_ends(body, start)
        stop = ends[-1]
        yield Lines(view, start, ends, lenience, _at_once(view[start:stop], len(ends)) if sound else None)
        start = stop + 1


def _at_once(block: memoryview, count: int) -> list[Record | None] | None:
    """In one call, which saves a quarter of the time. msgspec finds values, wherever lines end; but where each line
    begins an object and ends one, no value has a line's end within it, and as many values as lines are one each."""
    try:
        records = _strict_lines(block)
    except UNREADABLE:
        return None
    return [*records] if len(records) == count else None


def _one_by_one(view: memoryview, start: int, ends: list[int], lenience: Lenience) -> Iterator[FullRecord | None]:
    for end in ends:
        line = view[start:end]
        start = end + 1
        if has_too_many_values(line):
            yield None
            continue
        try:
            yield _strict(line)
        except UNREADABLE:
            plain = bytes(line).strip()
            if not plain:
                continue
            if plain[0] != _OPEN and not plain.startswith(codecs.BOM_UTF8):
                yield None
                continue
            yield lenience.read(plain)


def _line_ends(body: bytes, start: int) -> tuple[list[int], bool]:
    """Where the lines from `start` end, some hundred kilobytes of them or as many as there are before the next blank one, and
    whether each begins and ends as an object."""
    find, size, sound = body.find, len(body), True
    ends: list[int] = []
    limit = start + _BLOCK_BYTES
    while start < size:
        end = find(b"\n", start)
        if end < 0:
            end = size
        if body[start] != _OPEN or body[end - 1] != _CLOSE:
            sound = False
            if ends and body[start] in _BLANK:
                break
        ends.append(end)
        if end > limit:
            sound = sound and not has_too_many_values(memoryview(body)[start:end])
            break
        start = end + 1
    return ends, sound


def lenient(line: bytes) -> FullRecord | None:
    """A record of whatever can be used of `line`; None if that is nothing. Bytes that are not UTF-8 become U+FFFD."""
    if has_too_many_values(line):
        return None
    try:
        found = json.loads(line.decode("utf-8", "replace").removeprefix(BYTE_ORDER_MARK))
        return record_of(found) if isinstance(found, dict) else None
    except (ValueError, RecursionError):
        return None


def record_of(found: dict[str, Any]) -> FullRecord:
    """A record of a JSON object; fields of another type than theirs are left out."""
    message, attachment = found.get("message"), found.get("attachment")
    plain: dict[str, Any] = {name: text(found.get(name)) for name in _TEXTS}
    plain |= {name: bool(found.get(name)) for name in _FLAGS}
    plain |= {name: _raw(found[name]) for name in _RAWS if name in found}
    return FullRecord(
        **plain,
        totalCostUSD=dollars(found.get("totalCostUSD")),
        timestamp=time(found.get("timestamp")),
        origin=_origin(found.get("origin")),
        attachment=_attachment(attachment) if isinstance(attachment, dict) else None,
        message=_message(message) if isinstance(message, dict) else None,
    )


BYTE_ORDER_MARK = "\ufeff"
"""Some editors and shells of Windows put it before the first line."""

_TEXTS = (
    *("type", "uuid", "parentUuid", "cwd", "agentId", "tool_use_id", "toolUseId"),
    *("attributionSkill", "attributionAgent", "attributionPlugin", "attributionMcpServer", "attributionMcpTool"),
    *("requestId", "requestRef", "requestSessionId", "effort", "promptSource", "turnOrigin", "rowSource"),
)
_FLAGS = (
    *("isSidechain", "isMeta", "isCompactSummary", "is_error", "isVisibleInTranscriptOnly", "isVirtual"),
    *("textNotTyped", "handedOff", "queueTranscriptOnly", "turnCompanion", "stackedExpansion"),
    "hasUnknownModelCost",
)
_RAWS = ("planContent", "wakeupSource", "modelUsage")
_ATTACHED = ("prompt", "content", "names", "addedTypes", "addedNames", "addedLines")


def _origin(found: Any) -> Origin | None:
    return Origin(text(found.get("kind"))) if isinstance(found, dict) else None


def _attachment(found: dict[str, Any]) -> Attachment:
    plain: dict[str, Any] = {name: text(found.get(name)) for name in ("type", "commandMode", "source_uuid")}
    plain |= {name: bool(found.get(name)) for name in ("isMeta", "textNotTyped", "carriedByCompaction")}
    plain |= {name: _raw(found[name]) for name in _ATTACHED if name in found}
    return Attachment(
        **plain,
        origin=_origin(found.get("origin")),
    )


def _message(found: dict[str, Any]) -> Message:
    content, usage = found.get("content"), found.get("usage")
    if isinstance(content, list):
        content = [_block(item) for item in content if isinstance(item, dict)]
    else:
        content = text(content)
    took = usage_of(usage) if isinstance(usage, dict) else None
    return Message(text(found.get("id")), text(found.get("model")), content, took)


def usage_of(found: dict[str, Any]) -> Usage:
    """Of an object that was read without expectations: what is of another type is left out."""
    kept, tools = found.get("cache_creation"), found.get("server_tool_use")
    plain: dict[str, Any] = {name: _count(found.get(name)) for name in _COUNTS}
    plain |= {name: text(found.get(name)) for name in ("service_tier", "inference_geo", "speed")}
    return Usage(
        **plain,
        cache_creation=CacheCreation(**{name: _count(kept.get(name)) for name in CacheCreation.__struct_fields__})
        if isinstance(kept, dict)
        else None,
        server_tool_use=ServerToolUse(_count(tools.get("web_search_requests"))) if isinstance(tools, dict) else None,
        iterations=_raw(found["iterations"]) if "iterations" in found else Raw(),
    )


_COUNTS = ("input_tokens", "output_tokens", "cache_read_input_tokens", "cache_creation_input_tokens")


def _block(found: dict[str, Any]) -> Block:
    plain: dict[str, Any] = {name: text(found.get(name)) for name in ("type", "id", "name", "tool_use_id")}
    plain |= {name: _raw(found[name]) for name in ("input", "text") if name in found}
    return Block(**plain, is_error=bool(found.get("is_error")))


def text(value: Any) -> str | None:
    """A string with U+FFFD for halves of characters, which no encoder takes; None for anything else."""
    return _HALVES.sub("\ufffd", value) if isinstance(value, str) else None


_HALVES = re.compile(r"[\ud800-\udfff]")


def time(value: Any) -> datetime | None:
    """ISO 8601 with or without a zone (UTC then), or Unix time in seconds or milliseconds."""
    try:
        if isinstance(value, str):
            return datetime.fromisoformat(value)
        if isinstance(value, int | float) and not isinstance(value, bool):
            return datetime.fromtimestamp(value / 1000 if abs(value) > 1e11 else value, UTC)
    except (ValueError, OverflowError, OSError):
        pass
    return None


def _count(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def dollars(value: Any) -> float | None:
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


def _raw(value: Any) -> Raw:
    return Raw(json.dumps(value).encode())


def value_of(raw: Raw) -> Any:
    """What a kept piece of JSON says; None if it says nothing that can be used."""
    if not bytes(raw):
        return None
    try:
        return msgspec.json.decode(raw)
    except UNREADABLE:
        try:
            return json.loads(bytes(raw).decode("utf-8", "replace"))
        except (ValueError, RecursionError):
            return None


def first_text(raw: Raw, keys: Iterable[str]) -> str | None:
    """Of a kept object, the first of its fields `keys` that is a text and says something."""
    given = value_of(raw)
    if not isinstance(given, dict):
        return None
    return next((found for key in keys if isinstance(found := given.get(key), str) and found), None)


def called_skill(raw: Raw) -> str | None:
    """The skill that is called. The client takes blanks around a name and a slash before it, and so do models give them."""
    given = first_text(raw, ("skill", "name", "command"))
    return given.strip().removeprefix("/") if given else None
