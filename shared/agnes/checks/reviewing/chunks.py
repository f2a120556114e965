"""The whole upload as texts that a model reads: numbered lines, invisible characters written out, encoded words decoded."""

from __future__ import annotations

import hashlib
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass

from agnes.checks import files, kinds, layers
from agnes.checks.model import Bundle
from agnes.kernel.scanning import Patterns

CHUNK_BYTES = 40_000
"""Of text in one request, near 12,000 tokens: small enough that nothing in it is passed over."""
PIECE_BYTES = 20_000
"""Of one file in one piece; a longer one is several."""
OVERLAP_LINES = 3
"""At the head of a piece, of the piece before: what is split between two is read whole in one."""
MAX_LINE_CHARACTERS = 2_000
"""A longer line is several, with the same number."""
MAX_STRINGS_BYTES = 4_000_000
MAX_LISTED = 400
"""Files that the list names; the others are counted."""


@dataclass(frozen=True, slots=True)
class Piece:
    """Part of a file."""

    path: str
    first_line: int
    text: str


@dataclass(frozen=True, slots=True)
class Chunk:
    pieces: tuple[Piece, ...]

    @property
    def digest(self) -> str:
        return hashlib.sha256(repr([(one.path, one.first_line, one.text) for one in self.pieces]).encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class Reading:
    chunks: list[Chunk]
    listing: str
    """Every file with its size and kind, one a line."""
    unreadable: list[str]
    """Paths of programs and of what cannot be opened: no model can say what they do."""


def read(bundle: Bundle, patterns: Patterns) -> Reading:
    """The description and the names first, then texts by path: manifests and what runs by itself before others."""
    pieces: list[Piece] = [Piece("form", 1, _form(bundle))]
    listed, unreadable = [], []
    for path, body in sorted(bundle.texts().items(), key=lambda one: (_rank(one[0]), one[0])):
        if path.startswith("form:"):
            continue
        known = kinds.signature(body)
        kind = known.name if known else "text" if kinds.is_text(body) else "unknown bytes"
        listed.append(f"{visible(path)} ({len(body)} bytes, {kind})")
        unpacked = files.read(path, body, is_executable=path in bundle.executables)
        if unpacked.unread or (known and known.kind is kinds.Kind.PROGRAM):
            unreadable.append(path)
        for inner, content in unpacked.texts:
            pieces += _pieces(inner, content, patterns)
    more = len(listed) - MAX_LISTED
    listing = "\n".join([*listed[:MAX_LISTED], *([f"and {more} more files"] if more > 0 else [])])
    return Reading(list(_chunks(pieces)), listing, unreadable)


def _form(bundle: Bundle) -> str:
    lines = [
        f"type: {bundle.type}",
        f"name: {bundle.name}",
        f"description: {bundle.description}",
        f"photo: {bundle.photo_name}",
        f"video: {bundle.video_url}",
        f"documents: {', '.join(bundle.documents)}",
    ]
    return visible("\n".join(lines))


def _rank(path: str) -> int:
    if path.startswith(".claude-plugin/") or path.endswith(
        (".mcp.json", "hooks.json", "settings.json", "monitors.json")
    ):
        return 0
    return 1 if path.endswith((".md", "package.json")) else 2 if kinds.ending(path) in kinds.CODE_ENDINGS else 3


def _pieces(path: str, body: bytes, patterns: Patterns) -> Iterator[Piece]:
    if kinds.is_text(body):
        yield from _split(path, body.decode("utf-8", "replace"))
        for layer in layers.of(body, patterns):
            if layer.is_hidden and kinds.is_text(layer.body):
                line = body.count(b"\n", 0, max(layer.at, 0)) + 1
                for piece in _split(path, layer.body.decode("utf-8", "replace")):
                    yield Piece(f"{path} (line {line}: {layer.how})", piece.first_line, piece.text)
    elif words := _strings(body):
        yield from _split(f"{path} (texts in its bytes)", words)


def _strings(body: bytes) -> str:
    """What is readable in bytes that are no text; at most as much as one piece."""
    return files.readable(body[:MAX_STRINGS_BYTES])[:PIECE_BYTES].decode("ascii")


def _split(path: str, text: str) -> Iterator[Piece]:
    lines = text.split("\n")
    held: list[str] = []
    size, first = 0, 1
    for number, line in enumerate(lines, 1):
        shown = visible(line)
        for start in range(0, max(len(shown), 1), MAX_LINE_CHARACTERS):
            part = f"{number}| {shown[start : start + MAX_LINE_CHARACTERS]}"
            if size + len(part) > PIECE_BYTES and held:
                yield Piece(path, first, "\n".join(held))
                held = held[-OVERLAP_LINES:] if start == 0 else []
                size = sum(map(len, held))
                first = number
            held.append(part)
            size += len(part) + 1
    if any(part.partition("| ")[2].strip() for part in held):
        yield Piece(path, first, "\n".join(held))


def _chunks(pieces: list[Piece]) -> Iterator[Chunk]:
    held: list[Piece] = []
    size = 0
    for piece in pieces:
        if held and size + len(piece.text) > CHUNK_BYTES:
            yield Chunk(tuple(held))
            held, size = [], 0
        held.append(piece)
        size += len(piece.text) + len(piece.path)
    if held:
        yield Chunk(tuple(held))


def visible(text: str) -> str:
    """With invisible, control and direction characters written out, so that a model sees that they are there."""
    if text.isprintable():
        return text
    return "".join(c if c in "\t\n" or not _is_hidden(c) else f"[U+{ord(c):04X}]" for c in text)


def _is_hidden(c: str) -> bool:
    return (
        unicodedata.category(c) in ("Cc", "Cf", "Cs", "Co", "Cn")
        or c in "\u3164\uffa0\u115f\u1160"
        or "\ufe00" <= c <= "\ufe0e"
        or "\U000e0100" <= c <= "\U000e01ef"
    )
