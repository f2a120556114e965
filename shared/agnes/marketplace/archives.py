"""`archive` sources: a zip over https, proved by its SHA-256 if the catalog names one, and read as a folder.

The archive is a file on the disk while it is read, since it may be larger than what a sync may have in memory; nothing is
unpacked there. What a member declares is not believed: each is inflated to the bytes that it declares and no
further, and no member is inflated that is larger than a served file may be.
"""

from __future__ import annotations

import hashlib
import re
import stat
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from tempfile import SpooledTemporaryFile
from typing import IO, Any
from urllib.parse import urlsplit

from agnes.kernel.git import EXECUTABLE, FILE, SYMLINK, GitDamaged, GitEntry
from agnes.kernel.web import WebReader
from agnes.marketplace.limits import MAX_ARCHIVE_BYTES, MAX_ENTRIES
from agnes.marketplace.sources import SourceInvalid

_SHA256 = re.compile(r"[0-9a-fA-F]{64}")
_MARKERS = (".claude-plugin/plugin.json", "plugin.json")
_PLUGIN_FOLDERS = frozenset(
    {"skills", "commands", "agents", "hooks", "output-styles", "themes", "workflows", ".claude-plugin"}
)
_UNIX = 3
_IN_MEMORY_BYTES = 8_000_000
_PIECE_BYTES = 1 << 20
_ENCRYPTED = 0x1


@dataclass(frozen=True, slots=True)
class Archive:
    url: str
    sha256: str | None
    """64 hexadecimal digits in lower case, None if the catalog names none."""


def archive_of(source: dict[str, Any]) -> Archive:
    """What an `archive` source names. Raises SourceInvalid."""
    url, sha256 = source.get("url"), source.get("sha256")
    try:
        parts = urlsplit(url) if isinstance(url, str) else None
        host = parts.hostname if parts else None
    except ValueError:
        parts = host = None
    if parts is None or not host or parts.scheme.lower() != "https":
        raise SourceInvalid("source: url must be an https URL")
    if parts.username is not None:
        raise SourceInvalid("source: url holds credentials")
    if sha256 is not None and (not isinstance(sha256, str) or not _SHA256.fullmatch(sha256)):
        raise SourceInvalid("source: sha256 must be 64 hexadecimal digits")
    return Archive(str(url), sha256.lower() if sha256 else None)


_DAMAGED = (zipfile.BadZipFile, zlib.error, OSError, EOFError, ValueError, NotImplementedError, RuntimeError)
"""What zipfile raises at what servers send."""


@dataclass
class ArchiveSnapshot:
    """A `GitSnapshot` over a zip. Members are inflated when they are read."""

    file: IO[bytes]
    digest: str
    commit: str = ""
    _members: dict[str, zipfile.ZipInfo] = field(default_factory=dict)

    @classmethod
    @contextmanager
    def fetched(cls, web: WebReader, archive: Archive, *, seconds: float) -> Iterator[ArchiveSnapshot]:
        """Open while the block lasts. Raises SourceInvalid and the family of `agnes.kernel.web`."""
        with SpooledTemporaryFile(max_size=_IN_MEMORY_BYTES, prefix="agnes-archive-") as file:
            web.fetch(archive.url, seconds=seconds, max_bytes=MAX_ARCHIVE_BYTES, into=file)
            file.seek(0)
            digest = hashlib.sha256()
            while piece := file.read(_PIECE_BYTES):
                digest.update(piece)
            if archive.sha256 and digest.hexdigest() != archive.sha256:
                raise SourceInvalid(
                    f"the archive's SHA-256 is {digest.hexdigest()}, and the catalog names {archive.sha256}"
                )
            yield cls(file, digest.hexdigest())

    def folder(self, path: str) -> str | None:
        return f"archive {self.digest}" if not path else None

    def entry(self, path: str) -> GitEntry | None:
        return next((found for found in self.walk("") if found.path == path), None)

    def walk(self, tree_id: str) -> Iterator[GitEntry]:  # noqa: ARG002 (the port's; there is one tree)
        """Every file of the archive. Raises SourceInvalid, GitDamaged."""
        # Each entry of the directory begins so. zipfile reads all of them, half a kilobyte each, before it can be asked.
        if self._count(b"PK\x01\x02") > 2 * MAX_ENTRIES:
            raise SourceInvalid(f"the archive has more than {MAX_ENTRIES} files")
        try:
            members = [member for member in self._zip.infolist() if not member.is_dir()]
        except _DAMAGED as exc:
            raise GitDamaged("the archive is no zip, or damaged") from exc
        if len(members) > MAX_ENTRIES:
            raise SourceInvalid(f"the archive has more than {MAX_ENTRIES} files")
        wrapper = _wrapper([member.filename for member in members])
        for number, member in enumerate(members):
            if not member.filename.startswith(wrapper):
                continue
            path, oid = member.filename[len(wrapper) :], str(number)
            self._members[oid] = member
            mode = member.external_attr >> 16 if member.create_system == _UNIX else 0
            if stat.S_ISLNK(mode):
                yield GitEntry(path, SYMLINK, "", 0)
            else:
                yield GitEntry(path, EXECUTABLE if mode & 0o111 else FILE, oid, member.file_size)

    def read(self, oid: str) -> bytes:
        member = self._members[oid]
        if member.flag_bits & _ENCRYPTED:
            raise SourceInvalid("the archive is encrypted")
        try:
            with self._zip.open(member) as stream:
                body = stream.read(member.file_size + 1)
        except _DAMAGED as exc:
            raise GitDamaged("the archive is no zip, or damaged") from exc
        if len(body) != member.file_size:
            raise GitDamaged("the archive is no zip, or damaged")
        return body

    @cached_property
    def _zip(self) -> zipfile.ZipFile:
        return zipfile.ZipFile(self.file)

    def _count(self, mark: bytes) -> int:
        """How often the mark is in the file, one across the edge of two pieces too."""
        self.file.seek(0)
        found, tail = 0, b""
        while piece := self.file.read(_PIECE_BYTES):
            found += (tail + piece).count(mark)
            tail = piece[-(len(mark) - 1) :]
        return found


def _wrapper(names: list[str]) -> str:
    """The folder that the plugin is in with a slash, empty if it is at the top: the client takes one wrapping folder away."""
    if any(marker in names for marker in _MARKERS):
        return ""
    tops = {name.partition("/")[0] for name in names} - {"__MACOSX", ".DS_Store"}
    (only,) = tops if len(tops) == 1 else ("",)
    if not only or only in names or only in _PLUGIN_FOLDERS:
        return ""
    return f"{only}/"
