"""Finding what a pattern matches where folders must be listed one by one."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from typing import Literal

from agnes.kernel.drops import ANY_DEPTH, MAX_DEPTH, PERSON, DropFile, DropPattern, segment_regex

SYMLINK, NO_FILE, BAD_NAME = "symlink", "not_a_file", "bad_name"
"""Problems of what matches and is not read."""


Kind = Literal["file", "folder", "link", "other"]


@dataclass(frozen=True, slots=True)
class Named:
    """One entry of a folder. `other` is a device, a socket, a pipe."""

    name: str
    kind: Kind
    size_bytes: int = 0
    version: str = ""
    modified_at: datetime | None = None


ListFolder = Callable[[tuple[str, ...]], Iterable[Named]]
"""Entries of a folder, given as names below the pattern's fixed part; none if there is no such folder or it may not be read."""


def walk(pattern: DropPattern, list_folder: ListFolder, *, limit: int) -> Iterator[DropFile]:
    """Files in the order of their names; at most `limit` of them."""
    base = ("/" if pattern.is_absolute else "") + "".join(f"{name}/" for name in pattern.fixed)
    for below, named, person in islice(_walk(pattern.varying, (), "", list_folder, depth=0), limit):
        problem = {"link": SYMLINK, "other": NO_FILE}.get(named.kind)
        if not is_text(named.name):
            problem = BAD_NAME
        yield DropFile(base + "/".join(below), person, named.size_bytes, named.version, named.modified_at, problem)


def is_text(name: str) -> bool:
    """Whether a name can be shown, kept and asked for again."""
    return name.isprintable() and "\\" not in name and len(name) <= 255


def _walk(
    segments: tuple[str, ...], below: tuple[str, ...], person: str, list_folder: ListFolder, *, depth: int
) -> Iterator[tuple[tuple[str, ...], Named, str]]:
    segment, rest = segments[0], segments[1:]
    entries = sorted(list_folder(below), key=lambda named: named.name)
    if segment == ANY_DEPTH:
        # Nothing in between, then each folder below; `rest` always has the file's own segment.
        yield from _matching(rest, below, person, entries, list_folder)
        if depth < MAX_DEPTH:
            for named in entries:
                if named.kind == "folder" and is_text(named.name):
                    yield from _walk(segments, (*below, named.name), person, list_folder, depth=depth + 1)
        return
    yield from _matching(segments, below, person, entries, list_folder)


def _matching(
    segments: tuple[str, ...],
    below: tuple[str, ...],
    person: str,
    entries: Iterable[Named],
    list_folder: ListFolder,
) -> Iterator[tuple[tuple[str, ...], Named, str]]:
    segment, rest = segments[0], segments[1:]
    wanted = re.compile(segment_regex(segment), re.DOTALL)
    for named in entries:
        found = wanted.fullmatch(named.name)
        if not found:
            continue
        who = found["user"] if PERSON in segment else person
        if rest:
            if named.kind == "folder" and is_text(named.name):
                yield from _walk(rest, (*below, named.name), who, list_folder, depth=0)
        elif named.kind != "folder":
            yield (*below, named.name), named, who
