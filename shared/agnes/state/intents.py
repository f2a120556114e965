"""Intents: changes that a writer leaves in the store for whoever leads, and what became of them.

    intents/<file>/<generation>-<id>-<text>[/<text>]    `generation` is that of the head at which it was left

The text is the packed calls and who makes them; what is too long for a key is the object's body (`<generation>-<id>`). So one
LIST reads what waits. Whoever carries an intent out writes its result under its id into the head's line of that generation, in the
same swap. That is what makes it happen once: an intent is carried out only if its id is in no line since `generation`, and
only while all those lines are in the head (`Head.oldest_intent`). Nothing depends on removing intents, which a daily job does.
"""

from __future__ import annotations

import json
import re
import zlib
from base64 import b32decode, b32encode
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from itertools import islice
from typing import Any

from agnes.kernel import errors
from agnes.kernel.calls import Call, UnknownCall, function_of, plain
from agnes.kernel.errors import AgnesError
from agnes.kernel.ports import ObjectStore
from agnes.kernel.state import Actor

TEXT_CHARACTERS = 700
"""The longest text in a key; keys have at most 900 characters."""
SEGMENT_CHARACTERS = 160
RESULT_CHARACTERS = 4000
BODIES = 50
"""Intents with a body that are read for one generation; each costs a request."""

_NAME = re.compile(r"(\d{12})-([0-9a-f]{16,32})(?:-([a-z2-7]+))?")


@dataclass(frozen=True, slots=True)
class Intent:
    """Calls of one process, to be made in the same generation."""

    generation: int
    id: str
    calls: tuple[tuple[Call, Actor], ...]

    def encode(self, file: str) -> tuple[str, bytes]:
        """Key and body."""
        body = json.dumps([[*call.encode(), _who(actor)] for call, actor in self.calls]).encode()
        text = b32encode(zlib.compress(body, 9)).decode().rstrip("=").lower()
        name = f"{prefix(file)}{self.generation:012d}-{self.id}"
        if len(text) > TEXT_CHARACTERS:
            return name, body
        segments = [text[at : at + SEGMENT_CHARACTERS] for at in range(0, len(text), SEGMENT_CHARACTERS)]
        return f"{name}-{'/'.join(segments)}", b""


class ChangeFailed(AgnesError):
    """A registered change met a fault of its own where another process ran it."""

    code = "internal_error"


def prefix(file: str) -> str:
    return f"intents/{file}/"


def waiting(store: ObjectStore, file: str, *, since: int, at_most: int, but: frozenset[str]) -> list[Intent]:
    """Those that were left at heads from generation `since` on, in order; `but` are ids that need not be read.

    What is no intent is passed over.
    """
    found = store.list(prefix(file), after=f"{prefix(file)}{since:012d}")
    named = ((key, match) for key in (entry.key for entry in found) if (match := _match(file, key)))
    return list(islice(_read(store, named, but), at_most))


def left_before(store: ObjectStore, file: str, generation: int) -> Iterator[str]:
    """Keys of intents that nobody will carry out any more."""
    for entry in store.list(prefix(file)):
        match = _match(file, entry.key)
        if match and int(match[1]) >= generation:
            return
        yield entry.key


def _match(file: str, key: str) -> re.Match[str] | None:
    return _NAME.fullmatch(key.removeprefix(prefix(file)).replace("/", ""))


def _read(store: ObjectStore, named: Iterator[tuple[str, re.Match[str]]], but: frozenset[str]) -> Iterator[Intent]:
    bodies = 0
    for key, match in named:
        if match[2] in but:
            continue
        if not match[3]:
            bodies += 1
        if bodies <= BODIES and (intent := _decode(store, key, match)):
            yield intent


def _decode(store: ObjectStore, key: str, match: re.Match[str]) -> Intent | None:
    try:
        if match[3]:
            text = match[3].upper()
            body = zlib.decompress(b32decode(text + "=" * (-len(text) % 8)))
        else:
            found = store.read(key)
            body = found.body if found is not None else b""
        calls = tuple((Call.decode(raw[:2]), Actor(*map(str, raw[2]))) for raw in json.loads(body))
        for call, _ in calls:
            function_of(call.name)
        return Intent(int(match[1]), match[2], calls)
    except UnknownCall:  # its own process knows it, and will make it
        return None
    except (ValueError, TypeError, AttributeError, IndexError, zlib.error, RecursionError):
        return None


def _who(actor: Actor) -> list[str]:
    return list(asdict(actor).values())


def encode_result(value: Any, error: BaseException | None) -> list[Any]:
    """`[value]`, or `[null, family, code, message, hint, facts]`."""
    if error is None:
        try:
            if len(json.dumps(value)) <= RESULT_CHARACTERS:
                return [plain(value)]
            error = ValueError("its result is too long")
        except (TypeError, ValueError) as unencodable:
            error = unencodable
    if not isinstance(error, AgnesError):
        return [None, "", "", f"{type(error).__name__}: {error}"[:200], None, {}]
    family = next(name for kind in type(error).mro() if (name := kind.__name__) and getattr(errors, name, None) is kind)
    return [None, family, error.code, error.message, error.hint, json.loads(json.dumps(error.facts, default=str))]


def decode_result(raw: Sequence[Any]) -> tuple[Any, Exception | None]:
    """An error is one of its family (agnes.kernel.errors), with the code, message, hint and facts that it had."""
    if len(raw) == 1:
        return raw[0], None
    _, family, code, message, hint, facts = raw
    kind = getattr(errors, family, None) if family else None
    if isinstance(kind, type) and issubclass(kind, AgnesError):
        return None, _error(kind, code, message, hint, facts)
    return None, ChangeFailed(f"the change failed ({message})", hint="Try again; if it fails again, tell an operator.")


def _error(kind: type[AgnesError], code: str, message: str, hint: str | None, facts: dict[str, Any]) -> AgnesError:
    error = kind.__new__(kind)
    AgnesError.__init__(error, message, code=code, hint=hint, **facts)
    return error
