"""Whether a record is what a person typed or queued, and which command it names. Rules of `agnes.claude_code.prompts`."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any

from msgspec import Raw

from agnes.claude_code import prompts
from agnes.claude_code.prompts import Form
from agnes.telemetry.extraction.records import Attachment, Marks, value_of

QUEUED = "queued_command"
"""The type of an attachment that holds a queued text."""


def _values(forms: Iterable[Form], *, typed: bool) -> frozenset[str]:
    return frozenset(form.value for form in forms if form.is_typed is typed)


_BY_PERSON = _values(prompts.PROMPT_SOURCES, typed=True) - {"sdk"}
"""Sources that no program can have: nothing of what such a text says makes it another's."""
_NOT_PROMPT_SOURCES = _values(prompts.PROMPT_SOURCES, typed=False)
_NOT_TURN_ORIGINS = _values(prompts.TURN_ORIGINS, typed=False)
_NOT_ROW_SOURCES = _values(prompts.ROW_SOURCES, typed=False)
_TYPED_MODES = _values(prompts.QUEUED_MODES, typed=True)
_NOT_TYPED_OPENINGS = tuple(_values(prompts.OPENINGS, typed=False))
_NO_MARKS = Marks()
_FIRST_CHARACTERS = frozenset({"", "<", *(opening[0] for opening in _NOT_TYPED_OPENINGS)})
"""Of every text that is not typed."""

_COMMAND = re.compile(r"\s*(?:<command-message>[^\n]*?</command-message>\s*)?<command-name>/([^\n]+?)</command-name>")
"""A command as the client records it: at the beginning of a text, its name with whatever characters it has."""
_SKILL_LAUNCH = re.compile(
    r"\s*<command-message>[^\n]*?</command-message>\s*<command-name>[^/\n][^\n]*?</command-name>"
)


def is_prompt(marks: Marks, texts: Sequence[str], *, has_others: bool) -> bool:
    """Of the marks of a `user` record without results: `texts` are those of its content, `has_others` whether it has images or
    documents."""
    if not has_others and _are_blank(texts):
        return False
    if marks != _NO_MARKS and (said := _is_marked_as_prompt(marks)) is not None:
        return said
    return has_others or any(map(is_typed, texts))


def _is_marked_as_prompt(marks: Marks) -> bool | None:
    """None if the text has to tell."""
    if (
        marks.isMeta
        or marks.isCompactSummary
        or marks.isVisibleInTranscriptOnly
        or marks.isVirtual
        or marks.textNotTyped
        or marks.handedOff
        or marks.queueTranscriptOnly
        or marks.turnCompanion
        or marks.stackedExpansion
        or _says_something(marks.planContent)
        or _says_something(marks.wakeupSource)
    ):
        return False
    if marks.turnOrigin in _NOT_TURN_ORIGINS or marks.rowSource in _NOT_ROW_SOURCES:
        return False
    if marks.origin is not None and marks.origin.kind is not None:
        return marks.origin.kind == "human"
    if marks.promptSource in _NOT_PROMPT_SOURCES:
        return False
    if marks.promptSource == marks.turnOrigin == "sdk":
        return True  # the newest clients mark what is not the program's own prompt
    return True if marks.promptSource in _BY_PERSON else None


def is_queued_prompt(attachment: Attachment, texts: Sequence[str], *, has_others: bool) -> bool:
    """Of an attachment of type QUEUED, what `queued_content` says of it."""
    if not has_others and _are_blank(texts):
        return False
    if attachment.type != QUEUED or attachment.isMeta or attachment.textNotTyped or attachment.carriedByCompaction:
        return False
    if attachment.commandMode is not None and attachment.commandMode not in _TYPED_MODES:
        return False
    if attachment.origin is not None and attachment.origin.kind is not None:
        return attachment.origin.kind == "human"
    return has_others or any(map(is_typed, texts))


def queued_content(attachment: Attachment) -> tuple[list[str], bool]:
    """(texts, whether there is anything else) of what was queued."""
    return content(value_of(attachment.prompt))


def content(found: Any) -> tuple[list[str], bool]:
    """(texts, whether there is anything else) of a message's content, as plain JSON."""
    if isinstance(found, str):
        return ([found] if found else []), False
    blocks = [block for block in found if isinstance(block, dict)] if isinstance(found, list) else []
    texts = [block["text"] for block in blocks if block.get("type") == "text" and isinstance(block.get("text"), str)]
    return texts, any(block.get("type") != "text" for block in blocks)


def is_typed(text: str) -> bool:
    """Whether a text that nothing else is known of may be a person's: by its beginning."""
    begins = text.lstrip()
    if begins[:1] not in _FIRST_CHARACTERS:
        return True
    return bool(begins) and not begins.startswith(_NOT_TYPED_OPENINGS) and not is_skill_launch(begins)


def notice_of(text: str) -> str:
    """What a text is that the client wrote, by its beginning; "" if that says nothing."""
    begins = text.lstrip()
    forms = [form for form in prompts.OPENINGS if not form.is_typed and begins.startswith(form.value)]
    return max(forms, key=lambda form: len(form.value)).what if forms else ""


def is_skill_launch(text: str) -> bool:
    """The record of a skill that the model launched, which looks like a command without a slash."""
    return text.startswith("<command-") and (prompts.SKILL_FORMAT in text or _SKILL_LAUNCH.match(text) is not None)


def command(text: str) -> str | None:
    """The name of the command, without its slash, that the client marks at the beginning of a text."""
    begins = text[:1]
    if not (begins == "<" or begins.isspace()) or "<command-name>/" not in text:
        return None
    found = _COMMAND.match(text)
    return found[1] if found is not None else None


def _are_blank(texts: Sequence[str]) -> bool:
    for text in texts:  # noqa: SIM110 (a generator takes longer than the usual one text)
        if text and not text.isspace():
            return False
    return True


def _says_something(raw: Raw) -> bool:
    return bytes(raw) not in (b"", b"null", b"false", b'""')
