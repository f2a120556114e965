"""Git's object and pack encodings, as far as a served tree needs them (gitformat-pack(5)).

A pack entry of an undeltified object is a small header and the zlib stream of its content. The
stream of a blob is therefore also the deflated member of a zip, without zlib's 2-byte header and
4-byte checksum: one stored form serves `marketplace.git` and `marketplace.zip`.
"""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Iterable

COMMIT, TREE, BLOB = 1, 2, 3
_NAMES = {COMMIT: b"commit", TREE: b"tree", BLOB: b"blob"}

MODE_FILE, MODE_EXECUTABLE, MODE_TREE = "100644", "100755", "40000"


def object_id(kind: int, content: bytes) -> str:
    """The object's name: SHA-1 over `<kind> <size>NUL<content>`, as git requires."""
    return hashlib.sha1(b"%s %d\0" % (_NAMES[kind], len(content)) + content, usedforsecurity=False).hexdigest()


def tree_content(entries: Iterable[tuple[str, str, str]]) -> bytes:
    """`(mode, name, oid)` entries in git's order, which sorts a tree as if its name ended in `/`."""
    ordered = sorted(entries, key=lambda e: e[1].encode() + (b"/" if e[0] == MODE_TREE else b""))
    return b"".join(mode.encode() + b" " + name.encode() + b"\0" + bytes.fromhex(oid) for mode, name, oid in ordered)


def entry_header(kind: int, size: int) -> bytes:
    """Type and size of a pack entry: 4 bits of size, then 7 at a time."""
    first, rest = (kind << 4) | (size & 15), size >> 4
    out = bytearray()
    while rest:
        out.append(first | 0x80)
        first, rest = rest & 0x7F, rest >> 7
    out.append(first)
    return bytes(out)


def pack_entry(kind: int, content: bytes, *, level: int = 6) -> bytes:
    return entry_header(kind, len(content)) + zlib.compress(content, level)


def pack(entries: Iterable[bytes | memoryview], count: int) -> bytes:
    """A whole pack of `count` encoded entries."""
    body = b"PACK" + (2).to_bytes(4, "big") + count.to_bytes(4, "big") + b"".join(entries)
    return body + hashlib.sha1(body, usedforsecurity=False).digest()


def commit_content(*, tree: str, message: str, author: str) -> bytes:
    """A commit without a parent at the epoch, so that the same tree is always the same commit."""
    return (f"tree {tree}\nauthor {author} 0 +0000\ncommitter {author} 0 +0000\n\n{message}\n").encode()
