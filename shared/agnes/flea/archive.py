"""Archives that people upload: a zip in memory, judged before anything of it is used.

Nothing is written to a disk, nothing inside is opened in turn, and every piece of work is bounded by what the archive may declare.
Two readers must not see two different archives in the same bytes: the directory and each member's own header have to agree, each
name is there once, members follow one another without gaps or overlaps, and nothing stands before, between or behind them. That is
what PyPI asks of wheels since 2025 ("ZIP archive confusion"), and how overlapping bombs are met.

Paths are those of `agnes.trees.rules`, so what is taken can be stored and unpacked on every system.
"""

from __future__ import annotations

import io
import stat
import struct
import zipfile
import zlib
from dataclasses import dataclass, field

from agnes.flea.limits import (
    MAX_ARCHIVE_BYTES,
    MAX_MEMBERS,
    MAX_RATIO,
    MAX_UNPACKED_BYTES,
    RATIO_FROM_BYTES,
)
from agnes.kernel.errors import InvalidError, TooLargeError
from agnes.trees.model import TreeFile
from agnes.trees.rules import MAX_FILE_BYTES, Names, UnsafePath, check_path

_LOCAL, _CENTRAL, _END = b"PK\x03\x04", b"PK\x01\x02", b"PK\x05\x06"
_END64, _LOCATOR64, _DESCRIPTOR = b"PK\x06\x06", b"PK\x06\x07", b"PK\x07\x08"
_END_BYTES, _LOCAL_BYTES, _LOCATOR_BYTES = 22, 30, 20
_ENCRYPTED = 0x1 | 0x40 | 0x2000
"""Encrypted, strongly encrypted, or with a masked directory (APPNOTE 4.4.4)."""
_HAS_DESCRIPTOR, _UTF8 = 0x8, 0x800
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
_UNKNOWN_32 = 0xFFFFFFFF
_ZIP64, _UNICODE_PATH = 0x0001, 0x7075
_DAMAGED = (zipfile.BadZipFile, zlib.error, OSError, EOFError, ValueError, NotImplementedError, RuntimeError)
"""What zipfile raises at what people send."""

_LITTER = frozenset({".DS_Store", "Thumbs.db", "desktop.ini"})
_LITTER_FOLDERS = frozenset({"__MACOSX", ".git", ".hg", ".svn"})
"""What file managers and version control add by themselves, by exact name."""

HINT = "Pack the folder again with an ordinary zip program, or share it with `agnes store upload FOLDER`."


class ArchiveInvalid(InvalidError):
    """No archive that everybody reads alike; the message says what is wrong with it."""

    code = "zip_invalid"

    def __init__(self, reason: str, *, hint: str = HINT) -> None:
        super().__init__(reason, hint=hint)


class ArchiveUnsafePath(InvalidError):
    """A member whose path may not be unpacked."""

    code = "zip_unsafe_path"

    def __init__(self, path: str, reason: str) -> None:
        shown = _shown(path)
        super().__init__(f"{shown}: {reason}", hint="Rename or remove the file, and pack it again.", path=shown)


class ArchiveTooLarge(TooLargeError):
    code = "file_too_large"

    def __init__(self, reason: str, limit: int) -> None:
        super().__init__(reason, hint="Share less in one archive.", limit=limit)


@dataclass(slots=True)
class Unpacked:
    files: list[TreeFile]
    left_out: list[str] = field(default_factory=list)
    """Paths that file managers and version control add by themselves."""


def is_archive(body: bytes) -> bool:
    """Whether it begins, or as an empty one ends, like a zip."""
    return body[:4] in (_LOCAL, _END)


def unpack(body: bytes, *, max_bytes: int = MAX_ARCHIVE_BYTES, max_file_bytes: int = MAX_FILE_BYTES) -> Unpacked:
    """Every file of a zip, of which `max_bytes` are read, and no file of more than `max_file_bytes`. Raises ArchiveInvalid, ArchiveUnsafePath, ArchiveTooLarge, before any of it is used."""
    if len(body) > max_bytes:
        raise ArchiveTooLarge(f"the archive has {len(body)} bytes, the limit is {max_bytes}", max_bytes)
    directory = _Directory.of(body)
    if directory.count > MAX_MEMBERS:
        raise ArchiveTooLarge(f"the archive has {directory.count} members, the limit is {MAX_MEMBERS}", MAX_MEMBERS)
    try:
        members = zipfile.ZipFile(io.BytesIO(body)).infolist()
    except _DAMAGED as exc:
        raise ArchiveInvalid("the archive's directory cannot be read") from exc
    if len(members) != directory.count:
        raise ArchiveInvalid("the archive's directory has another number of members than it declares")
    _check_sizes(body, members)
    _check_headers(body, members, directory)
    found = Unpacked([])
    names = Names()
    for member in members:
        path = _path(member)
        is_folder = path.endswith("/")
        if _is_litter(path.rstrip("/")):
            if not is_folder:
                found.left_out.append(path)
            continue
        _check_member(path, member, max_file_bytes, is_folder=is_folder)
        if is_folder:
            continue
        if problem := names.add(path):
            raise ArchiveUnsafePath(path, problem)
        executable = bool(member.external_attr >> 16 & 0o100)
        found.files.append(TreeFile(path, _inflated(body, member, path), executable))
    if not found.files:
        raise ArchiveInvalid("the archive holds no file", hint="Pack the folder of a skill, an agent or a plugin.")
    return found


@dataclass(frozen=True, slots=True)
class _Directory:
    """Where the archive's directory is, by the record at its end."""

    start: int
    count: int

    @classmethod
    def of(cls, body: bytes) -> _Directory:
        if not is_archive(body):
            raise ArchiveInvalid("the file is no zip archive")
        at = body.rfind(_END)
        if at < 0 or at + _END_BYTES > len(body):
            raise ArchiveInvalid("the archive is cut off: the record at its end is missing")
        disk, start_disk, here, count, size, start, comment = struct.unpack("<4x4H2LH", body[at : at + _END_BYTES])
        if at + _END_BYTES + comment != len(body):
            # A comment may hold the mark of another end: then two readers would read two directories.
            raise ArchiveInvalid("the archive has bytes behind its end")
        if comment and _END in body[at + 4 :]:
            raise ArchiveInvalid("the archive has more than one end")
        if disk or start_disk or here != count:
            raise ArchiveInvalid("the archive is one of several parts")
        end = at
        if body[at - _LOCATOR_BYTES : at - _LOCATOR_BYTES + 4] == _LOCATOR64:
            end, count, size, start = cls._of_64(body, at - _LOCATOR_BYTES, (count, size, start))
        elif count == 0xFFFF or _UNKNOWN_32 in (size, start):
            raise ArchiveInvalid("the archive's directory cannot be read")
        if start + size != end:
            raise ArchiveInvalid("the archive has bytes before its first member or around its directory")
        return cls(start, count)

    @staticmethod
    def _of_64(body: bytes, locator: int, short: tuple[int, int, int]) -> tuple[int, int, int, int]:
        """(where the 64-bit record begins, members, size and start of the directory)."""
        disk, at, disks = struct.unpack("<4xLQL", body[locator : locator + _LOCATOR_BYTES])
        record = body[at : at + 56]
        if disk or disks > 1 or len(record) != 56 or record[:4] != _END64:
            raise ArchiveInvalid("the archive's directory cannot be read")
        length, here, count, size, start = struct.unpack("<4xQ12xQQQQ", record)
        if at + 12 + length != locator or here != count:
            raise ArchiveInvalid("the archive has bytes before its first member or around its directory")
        for given, exact, unknown in zip(short, (count, size, start), (0xFFFF, _UNKNOWN_32, _UNKNOWN_32), strict=True):
            if given not in (exact, unknown):
                raise ArchiveInvalid("the archive's two directories differ")
        return at, count, size, start


def _check_sizes(body: bytes, members: list[zipfile.ZipInfo]) -> None:
    declared = sum(member.file_size for member in members)
    if declared > MAX_UNPACKED_BYTES:
        raise ArchiveTooLarge(
            f"the archive unpacks to {declared} bytes, the limit is {MAX_UNPACKED_BYTES}", MAX_UNPACKED_BYTES
        )
    if declared > RATIO_FROM_BYTES and declared > MAX_RATIO * len(body):
        raise ArchiveTooLarge(
            f"the archive unpacks to {declared // len(body)} times its size, the limit is {MAX_RATIO} times", MAX_RATIO
        )


def _check_headers(body: bytes, members: list[zipfile.ZipInfo], directory: _Directory) -> None:
    """Members one after another from the first byte to the directory, each with a header that says what the directory does."""
    at = 0
    seen: set[str] = set()
    for member in sorted(members, key=lambda member: member.header_offset):
        name = member.orig_filename
        if name in seen:
            raise ArchiveInvalid(f"{_shown(name)} is in the archive twice")
        seen.add(name)
        if member.header_offset != at:
            raise ArchiveInvalid(
                f"{_shown(name)} shares bytes with another member"
                if member.header_offset < at
                else f"the archive has bytes that belong to no member before {_shown(name)}"
            )
        at = _end_of_member(body, member, directory.start)
    if at != directory.start:
        raise ArchiveInvalid("the archive has bytes that belong to no member before its directory")


def _end_of_member(body: bytes, member: zipfile.ZipInfo, limit: int) -> int:
    """Where the next member begins. Raises ArchiveInvalid where its header does not say what the directory says."""
    shown = _shown(member.orig_filename)
    start = member.header_offset
    header = body[start : start + _LOCAL_BYTES]
    if len(header) < _LOCAL_BYTES or header[:4] != _LOCAL:
        raise ArchiveInvalid(f"{shown} has no header of its own")
    flags, method, crc, packed, size, name_bytes, extra_bytes = struct.unpack("<6xHH4xLLLHH", header)
    data = start + _LOCAL_BYTES + name_bytes + extra_bytes
    name = body[start + _LOCAL_BYTES : start + _LOCAL_BYTES + name_bytes]
    if flags & _ENCRYPTED or member.flag_bits & _ENCRYPTED:
        raise ArchiveInvalid(f"{shown} is encrypted", hint="Pack it again without a password.")
    if method not in _METHODS or member.compress_type not in _METHODS:
        raise ArchiveInvalid(f"{shown} is packed by a method that is not read (only deflate and stored are)")
    local_extra = _extra(body[start + _LOCAL_BYTES + name_bytes : data], shown)
    central_extra = _extra(member.extra, shown)
    if name != _raw_name(member) or method != member.compress_type:
        raise ArchiveInvalid(f"{shown} has another name or method in its own header than in the directory")
    for extra in (local_extra, central_extra):
        if _UNICODE_PATH in extra and extra[_UNICODE_PATH][5:] != name:
            raise ArchiveInvalid(f"{shown} has two names")
    wide = local_extra.get(_ZIP64, b"")
    if len(wide) >= 16 and _UNKNOWN_32 in (packed, size):
        size, packed = struct.unpack("<QQ", wide[:16])
    exact = (crc, packed, size) == (member.CRC, member.compress_size, member.file_size)
    is_later = bool(flags & _HAS_DESCRIPTOR) and not any((crc, packed, size))
    if not exact and not is_later:
        raise ArchiveInvalid(f"{shown} has another size or checksum in its own header than in the directory")
    end: int = data + member.compress_size
    if end > limit:
        raise ArchiveInvalid(f"{shown} is cut off")
    return end + (_descriptor_bytes(body, end, member, shown) if flags & _HAS_DESCRIPTOR else 0)


def _descriptor_bytes(body: bytes, at: int, member: zipfile.ZipInfo, shown: str) -> int:
    """Length of the record behind a member whose sizes were not known when it was begun: four forms are in use."""
    for mark in (_DESCRIPTOR, b""):
        for sizes in ("<LLL", "<LQQ"):
            form = mark + struct.pack(sizes, member.CRC, member.compress_size, member.file_size)
            if body[at : at + len(form)] == form:
                return len(form)
    raise ArchiveInvalid(f"{shown} has another size or checksum behind it than in the directory")


def _extra(raw: bytes, shown: str) -> dict[int, bytes]:
    found: dict[int, bytes] = {}
    at = 0
    while at + 4 <= len(raw):
        kind, length = struct.unpack("<HH", raw[at : at + 4])
        if at + 4 + length > len(raw) or kind in found:
            raise ArchiveInvalid(f"{shown} has extra fields that cannot be read")
        found[kind] = raw[at + 4 : at + 4 + length]
        at += 4 + length
    if any(raw[at:]):  # some programs pad with zeros
        raise ArchiveInvalid(f"{shown} has extra fields that cannot be read")
    return found


def _raw_name(member: zipfile.ZipInfo) -> bytes:
    return member.orig_filename.encode("utf-8" if member.flag_bits & _UTF8 else "cp437")


def _path(member: zipfile.ZipInfo) -> str:
    """The name as its writer meant it. macOS writes UTF-8 without saying so."""
    raw = _raw_name(member)
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        raise ArchiveUnsafePath(member.orig_filename, "a name that is not UTF-8") from None


def _is_litter(path: str) -> bool:
    segments = path.split("/")
    return segments[-1] in _LITTER or not _LITTER_FOLDERS.isdisjoint(segments)


def _check_member(path: str, member: zipfile.ZipInfo, max_bytes: int, *, is_folder: bool) -> None:
    kind = stat.S_IFMT(member.external_attr >> 16)
    if kind == stat.S_IFLNK:
        raise ArchiveUnsafePath(path, "a symbolic link")
    if kind not in (0, stat.S_IFDIR, stat.S_IFREG):
        raise ArchiveUnsafePath(path, "a device, a pipe or a socket")
    if kind == stat.S_IFDIR and not is_folder:
        raise ArchiveUnsafePath(path, "a file and a folder at once")
    try:
        check_path(path.removesuffix("/"))
    except UnsafePath as exc:
        raise ArchiveUnsafePath(path, exc.reason) from exc
    if is_folder and member.file_size:
        raise ArchiveUnsafePath(path, "a folder with content of its own")
    if member.file_size > max_bytes:
        raise ArchiveTooLarge(
            f"{_shown(path)} has {member.file_size} bytes, the limit of a file is {max_bytes}", max_bytes
        )


def _inflated(body: bytes, member: zipfile.ZipInfo, path: str) -> bytes:
    """The bytes of a member: all of its stream, which must be exactly what it declares, and no more work than that."""
    start = member.header_offset
    name_bytes, extra_bytes = struct.unpack("<HH", body[start + 26 : start + _LOCAL_BYTES])
    data = start + _LOCAL_BYTES + name_bytes + extra_bytes
    packed = body[data : data + member.compress_size]
    if member.compress_type == zipfile.ZIP_STORED:
        found, is_whole = packed, True
    else:
        stream = zlib.decompressobj(-zlib.MAX_WBITS)
        try:
            found = stream.decompress(packed, member.file_size + 1)
        except zlib.error as exc:
            raise ArchiveInvalid(f"{_shown(path)} is damaged: it cannot be unpacked") from exc
        is_whole = stream.eof and not stream.unused_data
    if len(found) != member.file_size or not is_whole:
        raise ArchiveInvalid(f"{_shown(path)} has another length than it declares")
    if zlib.crc32(found) != member.CRC:
        raise ArchiveInvalid(f"{_shown(path)} is damaged: its bytes are not those of its checksum")
    return found


def _shown(path: str) -> str:
    return path.encode("unicode_escape").decode()[:200]
