"""Sessions that somebody might send to make others wait: little to send, as much work as the limits allow.

Each is a transcript of up to `packed.MAX_PLAIN_BYTES` plain bytes; most are a few kilobytes packed.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from itertools import islice
from uuid import UUID

from agnes.telemetry.transcripts.packed import MAX_PLAIN_BYTES

FIRST = b'{"type":"mode","timestamp":"%s"}\n'


def _stamp(at: datetime) -> str:
    return at.strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def _full(line: bytes, first: bytes) -> bytes:
    """As many of one line as a transcript may have."""
    return first + line * ((MAX_PLAIN_BYTES - len(first)) // len(line))


def _lines(made: Iterator[bytes], most: int, first: bytes) -> bytes:
    return first + b"\n".join(islice(made, most)) + b"\n"


def _record(kind: str, number: int, at: datetime, **fields: object) -> bytes:
    head = {"type": kind, "uuid": str(UUID(int=number)), "timestamp": _stamp(at), "cwd": f"/ws/{number % 5000}"}
    return json.dumps({**head, **fields}, separators=(",", ":")).encode()


def _answer(
    number: int, at: datetime, *, model: str = "claude-sonnet-4-6", tool: str = "Bash", **given: object
) -> bytes:
    content = [{"type": "tool_use", "id": f"t{number}", "name": tool, "input": given}]
    usage = {"input_tokens": 10, "output_tokens": 1}
    said = {"id": f"m{number}", "model": model, "content": content, "usage": usage}
    return _record("assistant", number, at, requestId=f"r{number}", message=said)


def shapes(now: datetime, *, salt: int = 0) -> dict[str, Callable[[], bytes]]:
    """By name. `salt` keeps what is to be unique apart between two of the same shape."""
    early = now - timedelta(hours=20)
    first = FIRST % _stamp(early).encode()
    prompt = _record("user", 1, early, message={"role": "user", "content": "x"}) + b"\n"
    base = salt * 1_000_000

    def each(make: Callable[[int, datetime], bytes], most: int, step: timedelta = timedelta(milliseconds=1)) -> bytes:
        return _lines((make(base + n, early + step * n) for n in range(most)), most, first)

    return {
        "blank lines": lambda: _full(b"\n", first),
        "spaces": lambda: first + b" " * (MAX_PLAIN_BYTES - len(first)),
        "tiny objects": lambda: _full(b"{}\n", first),
        "no json": lambda: _full(b"x\n", first),
        "torn objects": lambda: _full(b'{"type":"user","message":{"content":\n', first),
        "times without end": lambda: _full(b'{"timestamp":"%s"}\n' % _stamp(early).encode(), first),
        "wrong times": lambda: _full(b'{"timestamp":[]}\n', first),
        "small prompts": lambda: _full(b'{"type":"user","message":{"content":"x"}}\n', first),
        "empty messages": lambda: _full(b'{"type":"user","message":{"content":[]}}\n', first),
        "one giant text": lambda: prompt[:-4] + b"\\u00e9" * 8_000_000 + prompt[-4:],
        "one line of objects": lambda: (
            first + b'{"type":"user","message":{"content":[' + b"{}," * 16_000_000 + b"{}]}}\n"
        ),
        "one odd line of objects": lambda: (
            first
            + b'{"type":"user","isSidechain":"odd","a":['
            + b"{}," * 16_000_000
            + b'{}],"message":{"content":"x"}}\n'
        ),
        "blank texts in messages": lambda: _full(
            b'{"type":"user","message":{"content":[' + b'{"type":"text","text":" "},' * 2000 + b"{}]}}\n", first
        ),
        "deep nesting": lambda: _full(
            b'{"type":"assistant","message":{"content":[{"type":"tool_use","input":'
            + b'{"a":' * 400
            + b"["
            + b"1," * 2000
            + b"1]"
            + b"}" * 400
            + b"}]}}\n",
            first,
        ),
        "nesting too deep": lambda: _full(b'{"type":"user","message":' + b"[" * 20_000 + b"]" * 20_000 + b"}\n", first),
        "copies to be left out": lambda: _full(b'{"type":"attachment","rendered":1}\n', first),
        "wide unicode": lambda: each(
            lambda n, at: _record("user", n, at, message={"content": "\u200b&\U0001f468\u200d\u202e" * 2000}), 800
        ),
        "long names": lambda: each(
            lambda n, at: _answer(n, at, model=f"{n}" + "m" * 5000, tool=f"{n}" + "&" * 5000, skill="s" * 5000), 2000
        ),
        "many models": lambda: each(lambda n, at: _answer(n, at, model=f"model-{n}"), 20_000),
        "many tools": lambda: each(lambda n, at: _answer(n, at, tool=f"tool-{n}"), 60_000),
        "many plugins": lambda: each(
            lambda n, at: _answer(n, at, tool="Skill", skill=f"kit-{n % 300}:skill-{n}"), 20_000
        ),
        "many days": lambda: each(
            lambda n, at: _answer(n, at - timedelta(days=190), model=f"model-{n}"), 30_000, timedelta(minutes=9)
        ),
    }
