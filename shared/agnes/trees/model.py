"""Files before storage, and what is known of them after."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class TreeFile:
    path: str
    """Relative, `/`-separated."""
    body: bytes
    executable: bool = False


@dataclass(frozen=True, slots=True)
class FileEntry:
    """One file of a stored tree; `offset` and `length` find its zlib stream in the tree's pack."""

    path: str
    size_bytes: int
    executable: bool
    oid: str
    """Git blob id, 40 hexadecimal digits."""
    crc32: int
    offset: int
    length: int


@dataclass(frozen=True, slots=True)
class PackedObject:
    """One git object in the tree's pack: header and zlib stream, from `offset`, `length` bytes."""

    oid: str
    offset: int
    length: int


@dataclass(frozen=True, slots=True)
class Tree:
    id: str
    """SHA-256 over paths, modes and contents, 64 hexadecimal digits."""
    git_oid: str
    """Git tree id, 40 hexadecimal digits."""
    files: tuple[FileEntry, ...]
    """By path."""
    objects: tuple[PackedObject, ...]
    """Every blob and tree that the git tree reaches, each once."""
    size_bytes: int
    """Sum of the files' sizes."""
    pack_sha256: str = ""
    """Of the pack, 64 hexadecimal digits; empty in a tree that an earlier release stored."""
