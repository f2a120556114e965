"""A zip whose members are already deflated (PKWARE APPNOTE 6.3.10).

No library writes stored streams into an archive without inflating them first, and a view of sixty
plugins must not be compressed again for every change of one. Reading is tested with the standard
library, Info-ZIP and the client.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable
from dataclasses import dataclass

_DOS_1980 = (0, 0x21)  # 00:00, 1 January 1980: the same bytes whenever it is built
_UTF8 = 0x0800
_DEFLATED = 8
_MADE_BY_UNIX = 0x0314
_MAX_16 = 0xFFFF


@dataclass(frozen=True, slots=True)
class Member:
    path: str
    deflated: bytes
    """A raw deflate stream."""
    size_bytes: int
    crc32: int
    executable: bool = False


def write(members: Iterable[Member]) -> bytes:
    """The archive; the same members in the same order give the same bytes. Below 4 GiB."""
    out = bytearray()
    directory = bytearray()
    count = 0
    for member in members:
        name = member.path.encode()
        common = struct.pack(
            "<HHHHHIIIHH",
            20,
            _UTF8,
            _DEFLATED,
            *_DOS_1980,
            member.crc32,
            len(member.deflated),
            member.size_bytes,
            len(name),
            0,
        )
        mode = 0o100755 if member.executable else 0o100644
        directory += struct.pack("<IH", 0x02014B50, _MADE_BY_UNIX) + common
        directory += struct.pack("<HHHII", 0, 0, 0, mode << 16, len(out)) + name
        out += struct.pack("<I", 0x04034B50) + common + name + member.deflated
        count += 1
    start, size = len(out), len(directory)
    out += directory
    if count >= _MAX_16:
        end = len(out)
        out += struct.pack("<IQHHIIQQQQ", 0x06064B50, 44, _MADE_BY_UNIX, 45, 0, 0, count, count, size, start)
        out += struct.pack("<IIQI", 0x07064B50, 0, end, 1)
    shown = min(count, _MAX_16)
    out += struct.pack("<IHHHHIIH", 0x06054B50, 0, 0, shown, shown, size, start, 0)
    return bytes(out)
