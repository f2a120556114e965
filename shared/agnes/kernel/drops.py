"""The port of drop locations: places outside where people's transcripts lie, to be fetched.

Adapters live in `agnes.outside.drops` and pass one contract suite (`tests/contract/test_drops.py`). They list and
read; nothing is ever written or removed there.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Literal, Protocol

from agnes.kernel.errors import BadRequestError, UnavailableError
from agnes.kernel.ports import Secret

PERSON = "{user}"
"""The placeholder of a person in a pattern."""
ANY_DEPTH = "**"
MAX_DEPTH = 12
"""Folders that a `**` descends."""

Kind = Literal["folder", "sftp", "s3"]


class DropRefused(BadRequestError):
    """The location may not be used, or not with what we know of it: address, host key, credentials."""

    code = "location_refused"


class DropUnreachable(UnavailableError):
    """The location did not answer, or stopped answering."""

    code = "location_unreachable"


class LocationTooLarge(DropRefused):
    """What was listed so far is all that is looked at."""

    code = "location_too_large"

    def __init__(self, names: int) -> None:
        super().__init__(
            f"the location has more than {names:,} files, and what lies behind them is not looked at",
            hint="Narrow its pattern, or make several locations of it.",
        )


class FileUnreadable(DropRefused):
    """One file; the others of its location may be read."""

    code = "unreadable"


@dataclass(frozen=True, slots=True)
class Place:
    """Where a location is. Which fields count is its kind's to say."""

    kind: Kind
    host: str = ""
    port: int = 22
    username: str = ""
    host_key: str = ""
    """`<type> <base64>`, the only key that is accepted."""
    bucket: str = ""
    region: str = ""
    endpoint: str = ""
    """Of an S3-compatible store; empty for AWS."""


@dataclass(frozen=True, slots=True)
class DropFile:
    """A file that the pattern matches. `problem` says why it is not to be read: a symlink, a name that is no text."""

    path: str
    person: str
    """What stands for `{user}`."""
    size_bytes: int
    version: str
    """Changes when the file does."""
    modified_at: datetime | None = None
    problem: str | None = None


@dataclass(frozen=True)
class DropPattern:
    """A path with one `{user}`, and `*`, `?` within a name, and `**` for folders of any depth.

        /home/{user}/.claude/projects/**/*.jsonl

    `{user}` may have text around it in its segment. Names that begin with a dot match only where a dot is written.
    """

    text: str

    @classmethod
    def parse(cls, text: str) -> DropPattern:
        """Raises DropRefused."""
        segments = text.strip("/").split("/")
        wrong = None
        if not 1 <= len(text) <= 500 or not text.isprintable() or "\\" in text:
            wrong = "it must be one line of at most 500 printable characters, without a backslash"
        elif text.count(PERSON) != 1:
            wrong = "it must hold {user} exactly once"
        elif any(segment in ("", ".", "..") for segment in segments):
            wrong = "no segment may be empty, `.` or `..`"
        elif re.search(r"[\[\]{}]", text.replace(PERSON, "")):
            wrong = "beside {user} it may use only *, ? and **"
        elif any(ANY_DEPTH in segment and segment != ANY_DEPTH for segment in segments) or segments.count("**") > 1:
            wrong = "`**` is a segment of its own, once at most"
        elif not segments[-1].endswith(".jsonl"):
            wrong = "it must end in .jsonl"
        elif ANY_DEPTH in segments[: next(i for i, s in enumerate(segments) if PERSON in s)]:
            wrong = "`**` stands behind {user}, so that the person is told by one place"
        if wrong:
            raise DropRefused(
                f"the pattern {text[:80]!r} cannot be used: {wrong}",
                code="invalid_pattern",
                hint="Such as /home/{user}/.claude/projects/**/*.jsonl.",
            )
        return cls(text)

    @cached_property
    def is_absolute(self) -> bool:
        return self.text.startswith("/")

    @cached_property
    def fixed(self) -> tuple[str, ...]:
        """Segments before the first that varies: the folder where looking begins."""
        found = []
        for segment in self._segments:
            if PERSON in segment or "*" in segment or "?" in segment:
                break
            found.append(segment)
        return tuple(found[: len(self._segments) - 1])

    @property
    def varying(self) -> tuple[str, ...]:
        return self._segments[len(self.fixed) :]

    @cached_property
    def prefix(self) -> str:
        """Text that every matching path begins with."""
        return re.split(r"[*?]|\{user\}", self.text, maxsplit=1)[0]

    def person_of(self, path: str) -> str | None:
        """What stands for `{user}` in a whole path; None if the path does not match."""
        found = self._regex.fullmatch(path)
        return found["user"] if found else None

    @cached_property
    def _segments(self) -> tuple[str, ...]:
        return tuple(self.text.strip("/").split("/"))

    @cached_property
    def _regex(self) -> re.Pattern[str]:
        parts = ["/" if self.is_absolute else ""]
        for number, segment in enumerate(self._segments):
            last = number == len(self._segments) - 1
            if segment == ANY_DEPTH:
                parts.append(rf"(?:{_NAME}/){{0,{MAX_DEPTH}}}")
            else:
                parts.append(segment_regex(segment) + ("" if last else "/"))
        return re.compile("".join(parts), re.DOTALL)


_NAME = r"[^/]+"


def segment_regex(segment: str) -> str:
    """A segment of a pattern as a regular expression over one name; the person is the group `user`."""
    before, person, after = segment.partition(PERSON)
    head = r"(?!\.)" if segment[:1] in ("*", "?", "{") else ""
    return head + _glob(before) + (r"(?P<user>[^/]+?)" if person else "") + _glob(after)


def _glob(text: str) -> str:
    kinds = {"*": "[^/]*", "?": "[^/]"}
    return "".join(kinds.get(char) or re.escape(char) for char in text)


class Drop(Protocol):
    """An open location."""

    def files(self, pattern: DropPattern, *, limit: int) -> Iterator[DropFile]:
        """What matches, at most `limit` names looked at in each folder and files in all.

        Raises DropUnreachable, DropRefused, LocationTooLarge. Symbolic links are named as problems and never followed.
        """
        ...

    def read(self, file: DropFile) -> bytes | None:
        """The first `size_bytes` of a file; None if it is gone. Raises FileUnreadable, DropUnreachable, DropRefused."""
        ...


class Drops(Protocol):
    def open(self, place: Place, credential: Secret | None, *, seconds: float) -> AbstractContextManager[Drop]:
        """Connect; whatever is done inside ends `seconds` from now. Raises DropUnreachable, DropRefused."""
        ...

    def host_key(self, place: Place) -> str:
        """The key that an SFTP server shows, `<type> <base64>`, without trusting it. Raises DropUnreachable, DropRefused."""
        ...
