"""What a person and Claude said in a session: turns of text, from the main transcript as the client writes it.

Left out: what tools answered, what the client, hooks, plugins and other sessions wrote in the person's name
(`agnes.claude_code.prompts`), summaries of compactions, the model's thoughts, subagents, and the client's own error messages. Kept:
prompts, those that were queued while a turn ran, notes typed after `#`, and what a person said when they rejected a tool. Of a
person's text, code blocks and quoted lines are replaced: they are pasted, nobody's own words.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass

import msgspec
from msgspec import Raw, Struct

from agnes.kernel.garbage import no_garbage_collection
from agnes.telemetry.extraction import records, typed
from agnes.telemetry.extraction.records import Block, Record
from agnes.telemetry.model import SYNTHETIC_MODEL

USER, ASSISTANT = "user", "assistant"
MAX_TURN = 6_000
"""Characters of a person's turn that are read; of Claude's, less (`packing`)."""

_REJECTED = b'"toolDenialKind":"user-rejected"'
_SAID = "the user said:\n"
"""What the client writes before a person's words, in the result of a tool that they rejected."""
_FENCED = re.compile(r"(```|~~~).*?(?:\1|\Z)", re.DOTALL)
_QUOTED = re.compile(r"^[ \t]*>[^\n]*(?:\n|\Z)", re.MULTILINE)
_REMINDER = re.compile(r"<(system-reminder|system_reminder)\b.*?(?:</\1>|\Z)", re.DOTALL)
_MEMORY = re.compile(r"\s*<user-memory-input>(.*?)(?:</user-memory-input>|\Z)", re.DOTALL)
_ARGUMENTS = re.compile(r"<command-args>(.*?)</command-args>", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Turn:
    """What one of the two said in one go."""

    role: str
    text: str
    uuid: str
    """Of the record; copies in a fork have the same."""

    @property
    def mark(self) -> str:
        """Eight hexadecimal digits that tell this turn from others."""
        return hashlib.sha256((self.uuid or self.text).encode("utf-8", "replace")).hexdigest()[:8]


class _Rejection(Struct, gc=False):
    toolDenialKind: str | None = None  # noqa: N815 (the client's name)
    isSidechain: bool | None = None  # noqa: N815
    uuid: str | None = None
    message: _RejectedMessage | None = None


class _RejectedMessage(Struct, gc=False):
    content: list[_RejectedBlock] | None = None


class _RejectedBlock(Struct, gc=False):
    content: Raw = Raw()


_rejection = msgspec.json.Decoder(_Rejection).decode


def turns(body: bytes) -> list[Turn]:
    """Of a session's main file, in its order. Turns that follow one another by Claude are one; a record that the file repeats counts
    once."""
    found: list[Turn] = []
    seen: set[str] = set()
    rejected = _rejections(body)
    with no_garbage_collection():
        for lines in records.lines(body):
            for number, record in enumerate(lines.records):
                if record is None or record.isSidechain or record.agentId:
                    continue
                uuid = record.uuid or ""
                if uuid and uuid in seen:
                    continue
                turn = _turn(record, lines, number, rejected)
                if turn is None:
                    continue
                seen.add(uuid)
                if turn.role == ASSISTANT and found and found[-1].role == ASSISTANT:
                    turn = Turn(ASSISTANT, f"{found.pop().text}\n{turn.text}", turn.uuid)
                found.append(turn)
    return found


def _turn(record: Record, lines: records.Lines, number: int, rejected: dict[str, str]) -> Turn | None:
    uuid = record.uuid or ""
    if record.type == "assistant" and record.message is not None:
        if record.message.model == SYNTHETIC_MODEL:
            return None
        text = "\n".join(_texts(record.message.content)).strip()
        return Turn(ASSISTANT, text, uuid) if text else None
    if record.type == "attachment" and record.attachment is not None and record.attachment.type == typed.QUEUED:
        texts, has_others = typed.queued_content(record.attachment)
        if not typed.is_queued_prompt(record.attachment, texts, has_others=has_others):
            return None
        return _of_person(texts, record.attachment.source_uuid or uuid)
    if record.type != "user" or record.message is None:
        return None
    content = record.message.content
    if isinstance(content, list) and any(block.type == "tool_result" for block in content):
        said = rejected.get(uuid)
        return _of_person([said], uuid) if said else None
    texts = _texts(content)
    has_others = isinstance(content, list) and any(block.type != "text" for block in content)
    marks = lines.marks(number)
    if not texts or marks is None or not typed.is_prompt(marks, texts, has_others=has_others):
        return None
    return _of_person([text for text in texts if len(texts) == 1 or typed.is_typed(text)], uuid)


def _texts(content: str | list[Block] | None) -> list[str]:
    if content is None or isinstance(content, str):
        return [content] if content else []
    values = (records.value_of(block.text) for block in content if block.type == "text")
    return [value for value in values if isinstance(value, str) and value]


def _of_person(texts: list[str], uuid: str) -> Turn | None:
    text = own_words("\n".join(texts))
    return Turn(USER, text[:MAX_TURN], uuid) if text else None


def own_words(text: str) -> str:
    """A person's text without what they pasted; of a command, its arguments."""
    if (note := _MEMORY.match(text)) is not None:
        return note[1].strip()
    if text.lstrip().startswith("<command-"):
        arguments = _ARGUMENTS.search(text)
        text = arguments[1] if arguments else ""
    if text.lstrip().startswith("<bash-input>"):
        return ""
    text = _REMINDER.sub("", text)
    text = _FENCED.sub("[pasted]", text)
    return _QUOTED.sub("[pasted]\n", text).strip()


def _rejections(body: bytes) -> dict[str, str]:
    """Record → what the person said when they rejected a tool; the client marks such records, no tool can."""
    found: dict[str, str] = {}
    at = body.find(_REJECTED)
    while at >= 0:
        begin, end = body.rfind(b"\n", 0, at) + 1, body.find(b"\n", at)
        end = len(body) if end < 0 else end
        line = memoryview(body)[begin:end]
        try:
            record = None if records.has_too_many_values(line) else _rejection(line)
        except records.UNREADABLE:
            record = None
        if record is not None and record.toolDenialKind == "user-rejected" and record.message is not None:
            for block in record.message.content or ():
                said = records.value_of(block.content)
                if isinstance(said, str) and _SAID in said:
                    found[record.uuid or ""] = said.partition(_SAID)[2]
        at = body.find(_REJECTED, end)
    return found
