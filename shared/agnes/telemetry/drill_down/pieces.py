"""What a line of a transcript says: texts, thoughts, calls and their results, each a piece. Pure.

What a transcript says is anybody's text: pieces carry it as it is, cut at a length, and whoever shows it makes it safe
(`agnes.edge.showing`).
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

import msgspec

from agnes.telemetry.extraction import records, typed
from agnes.telemetry.keys import MAIN
from agnes.telemetry.model import TranscriptFile

TEXT, THINKING, TOOL_USE, TOOL_RESULT, OTHER = "text", "thinking", "tool_use", "tool_result", "other"
_TITLE_CHARS = 160
_TITLES = ("command", "file_path", "notebook_path", "skill", "subagent_type", "pattern", "url", "query", "description")
"""Fields of a call's input that tell what it is about, the best first."""
_ARGUMENTS = re.compile(r"<command-args>(.*?)</command-args>", re.DOTALL)


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
    """Written by the client, not typed by anybody: text for the model, a notification, a hook's feedback."""
    is_sidechain: bool
    title: str
    """A line that tells what a call, a typed command or a notification is about; may be empty."""
    text: str
    chars: int
    """Of the whole text."""
    is_truncated: bool


MAX_ITEMS = 10_000
"""Of one message, that are shown; real ones have less than a hundred."""
_NAME_CHARS = 300
_INDENTED_BYTES, _INDENTED_DEPTH = 200_000, 30
"""Of JSON that is shown with one value a line; indentation makes what nests deeper many times larger."""


@dataclass(frozen=True, slots=True)
class Line:
    """A line that says something, decoded: the items of its message."""

    record: dict[str, Any]
    message: dict[str, Any]
    role: str
    items: list[Any]
    left_out: int = 0
    """Items beyond MAX_ITEMS."""


def read(line: memoryview) -> Line | None:
    """None if the line is nothing that is shown."""
    if records.has_too_many_values(line):
        said = bytes(line).decode("utf-8", "replace")
        return Line({}, {}, "user", [_Raw(f"A line of {len(line):,} bytes that is not shown in its parts", said)])
    record = _object(line)
    role, message = records.text(record.get("type")), record.get("message")
    if role == "tool_use_result" or (role is None and "tool_use_result" in record):
        return Line(record, {}, "user", [{**record, "type": TOOL_RESULT}])  # as old clients wrote it
    if role == "attachment" and _is_queued(record):
        items, message, role = _items(record["attachment"].get("prompt")), {}, "user"
        if len(items) > MAX_ITEMS:
            record = {**record, "attachment": {**record["attachment"], "prompt": items[:MAX_ITEMS]}}
    elif role not in records.TURNS or not isinstance(message, dict):
        return None
    else:
        items = _items(message.get("content"))
        if len(items) > MAX_ITEMS:
            message = {**message, "content": items[:MAX_ITEMS]}
            record = {**record, "message": message}
    return Line(record, message, role, items[:MAX_ITEMS], max(0, len(items) - MAX_ITEMS))


def pieces_of(
    said: Line, file: TranscriptFile, offset: int, at: datetime | None, piece_chars: int | None
) -> Iterator[Piece]:
    """What the line at `offset` of a file says; texts are cut at `piece_chars` if that is given."""
    record, message, role, items = said.record, said.message, said.role, said.items
    in_main = file.file == MAIN and not record.get("isSidechain")
    by_client = bool(record) and role == "user" and _is_by_client(record, items, in_main=in_main)
    number = 0
    if said.left_out:
        items = [*items, _Raw(f"{said.left_out:,} more items of this message are not shown", "")]
    for item in items:
        found = _said(item)
        if found is None:
            continue
        kind, title, text = found
        is_meta = by_client
        if kind == TEXT and role == "user":
            is_meta = by_client or (len(items) > 1 and not typed.is_typed(text))
            title = typed.notice_of(text) if is_meta else _command(text)
        called = item if isinstance(item, dict) else {}
        yield Piece(
            id=f"{file.file}.{offset}.{number}",
            type=kind,
            role=role,
            at=at,
            agent_id=None if file.file == MAIN else file.file,
            uuid=_name(record.get("uuid")),
            model=_name(message.get("model")) if role == "assistant" else None,
            tool_name=_name(called.get("name")) if kind == TOOL_USE else None,
            tool_use_id=_name(
                called.get("id") if kind == TOOL_USE else called.get("tool_use_id") or called.get("toolUseId")
            ),
            is_error=kind == TOOL_RESULT and bool(called.get("is_error")),
            is_meta=is_meta,
            is_sidechain=bool(record.get("isSidechain")) or file.file != MAIN,
            title=title[:_TITLE_CHARS],
            text=text if piece_chars is None else text[:piece_chars],
            chars=len(text),
            is_truncated=piece_chars is not None and len(text) > piece_chars,
        )
        number += 1


class _Raw(NamedTuple):
    """What is shown without being taken apart."""

    title: str
    text: str


def _name(value: Any) -> str | None:
    found = records.text(value)
    return found[:_NAME_CHARS] if found else found


def _items(content: Any) -> list[Any]:
    return content if isinstance(content, list) else [content]


def _is_queued(record: dict[str, Any]) -> bool:
    attachment = record.get("attachment")
    return isinstance(attachment, dict) and attachment.get("type") == typed.QUEUED


def _is_by_client(record: dict[str, Any], items: list[Any], *, in_main: bool) -> bool:
    """Whether the client wrote it, and no person or, in a subagent's file, no caller."""
    said = records.record_of(record)
    if said.isMeta or said.isCompactSummary:
        return True
    texts, has_others = typed.content(items if len(items) != 1 or isinstance(items[0], dict) else items[0])
    if said.attachment is not None and said.attachment.type == typed.QUEUED:
        return not typed.is_queued_prompt(said.attachment, texts, has_others=has_others)
    if not texts and not has_others:
        return False
    if any(isinstance(item, dict) and item.get("type") == TOOL_RESULT for item in items):
        return False
    if not in_main:
        return not has_others and not any(typed.is_typed(text) for text in texts)
    return not said.stackedExpansion and not typed.is_prompt(said, texts, has_others=has_others)


def _object(line: memoryview) -> dict[str, Any]:
    """What a line says; empty if that is no object."""
    try:
        found = msgspec.json.decode(line)
    except records.UNREADABLE:
        try:
            found = json.loads(bytes(line).decode("utf-8", "replace").removeprefix(records.BYTE_ORDER_MARK))
        except (ValueError, RecursionError):
            return {}
    return found if isinstance(found, dict) else {}


def _said(item: Any) -> tuple[str, str, str] | None:
    """(type, title, text) of an item of a message's content; None if it says nothing."""
    if isinstance(item, _Raw):
        return OTHER, item.title, _clean(item.text)
    if isinstance(item, str):
        return (TEXT, "", _clean(item)) if item.strip() else None
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
    return OTHER, _name(kind) or "", _written({k: v for k, v in item.items() if k != "source"})


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
        written = msgspec.json.encode(value)
        if len(written) > _INDENTED_BYTES or _depth(written) > _INDENTED_DEPTH:
            return written.decode()
        return msgspec.json.format(written, indent=2).decode()
    except (ValueError, RecursionError):  # half a character, or thousands of brackets
        try:
            return json.dumps(value)
        except RecursionError:
            return "[nested too deeply]"


def _depth(written: bytes) -> int:
    """How deep JSON nests, or more, up to _INDENTED_DEPTH + 1: brackets within texts count too."""
    brackets = written.translate(None, delete=_NO_BRACKETS)
    if len(brackets) <= _INDENTED_DEPTH:
        return len(brackets)
    now = most = 0
    for found in brackets:
        now += 1 if found in b"[{" else -1
        if now > most:
            most = now
            if most > _INDENTED_DEPTH:
                break
    return most


_NO_BRACKETS = bytes(set(range(256)) - set(b"[]{}"))


def _title(given: Any) -> str:
    if not isinstance(given, dict):
        return ""
    return next((_line(given[name]) for name in _TITLES if isinstance(given.get(name), str)), "")


def _command(text: str) -> str:
    """The command and its arguments, if the client marks it as one."""
    name = typed.command(text[:2000])
    if name is None:
        return ""
    arguments = _ARGUMENTS.search(text[:2000])
    return _line(f"/{name} {arguments[1] if arguments else ''}")


def _line(text: str) -> str:
    return " ".join(_clean(text[: 4 * _TITLE_CHARS]).split())


def _clean(text: str) -> str:
    return records.text(text) or ""
