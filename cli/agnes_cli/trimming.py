"""What a transcript is sent without: fields that repeat other records, and the client's own prompts and tools.

The server leaves out the same on receipt (`agnes.telemetry.transcripts.trimming`, byte for byte), so it does not matter which
of the two did it; a test compares both. The list is explained in docs/telemetry.md, "What is not stored".
"""

from __future__ import annotations

import json
from typing import Any

LEFT_OUT: dict[str, tuple[str, ...]] = {
    "attachment": ("rendered",),
    "attachment/prompt_snapshot": (
        "attachment.systemPrompt",
        "attachment.tools",
        "attachment.inlineTools",
        "attachment.systemTurns",
        "attachment.keptReminders",
    ),
    "api-request": (
        "base",
        "cacheControl",
        "echoWireToolInputs",
        "keep",
        "requestDigest",
        "shapeHash",
        "tail",
        "thread",
    ),
    "api-request-shape": ("shape", "shapeHash"),
    "api-request-blob": ("hash", "message"),
}
"""Paths of fields by type of record; those of `attachment` hold for every attachment."""

_MARKS = (b'"rendered"', b'"prompt_snapshot"', b'"api-request')
"""A line without any of these has nothing that is left out. Within a text the quotes would be escaped."""


MOST_LINES, MOST_VALUES = 100_000, 2_000_000
"""Of a transcript, that are looked at: what follows stays as it is, so that the work is bounded. Values are those of the lines
that have something to leave out; real transcripts have a tenth of either."""


def trim(body: bytes) -> bytes:
    """The transcript without LEFT_OUT, line by line: no line is dropped, and one without such fields keeps its bytes.

    So the beginning of a transcript, cut after whole lines, becomes the beginning of the trimmed one, and trimming again
    changes nothing. What is no JSON object stays as it is.
    """
    if not any(mark in body for mark in _MARKS):
        return body
    *lines, rest = body.split(b"\n", MOST_LINES)
    left = MOST_VALUES
    for number, line in enumerate(lines):
        if any(mark in line for mark in _MARKS):
            left -= line.count(b",") + line.count(b"[") + line.count(b"{")
            if left < 0:
                return b"\n".join([*lines, rest])
            lines[number] = _trimmed(line)
    if b"\n" not in rest and left >= rest.count(b",") + rest.count(b"[") + rest.count(b"{"):
        rest = _trimmed(rest) if any(mark in rest for mark in _MARKS) else rest
    return b"\n".join([*lines, rest])


def _trimmed(line: bytes) -> bytes:
    try:
        record = json.loads(line.decode())
        if not (isinstance(record, dict) and _remove(record)):
            return line
        return json.dumps(record, ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode()
    except (ValueError, RecursionError):  # not JSON, not UTF-8, half a character, or nested too deeply
        return line


def _remove(record: dict[str, Any]) -> bool:
    """Remove what is left out of a record of its type; whether there was any."""
    kind = record.get("type")
    if not isinstance(kind, str):
        return False
    removed = _remove_paths(record, LEFT_OUT.get(kind, ()))
    attachment = record.get("attachment")
    if kind == "attachment" and isinstance(attachment, dict) and isinstance(attachment.get("type"), str):
        removed |= _remove_paths(record, LEFT_OUT.get(f"attachment/{attachment['type']}", ()))
    return removed


def _remove_paths(record: dict[str, Any], paths: tuple[str, ...]) -> bool:
    removed = False
    for path in paths:
        outer, _, inner = path.rpartition(".")
        holder = record.get(outer) if outer else record
        if isinstance(holder, dict) and inner in holder:
            del holder[inner]
            removed = True
    return removed
