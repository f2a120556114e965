"""A picture that a browser can show."""

from __future__ import annotations

import struct
import zlib


def png(width: int = 715, height: int = 310) -> bytes:
    """A PNG: a slope of colour with a lighter disc."""
    rows = bytearray()
    for y in range(height):
        rows.append(0)  # no filter
        for x in range(width):
            disc = 90 if (x - width * 0.7) ** 2 + (y - height * 0.45) ** 2 < (height * 0.3) ** 2 else 0
            rows += bytes((20 + 90 * x // width + disc, 60 + 70 * y // height + disc, 130 + disc))
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + _chunk(b"IHDR", header) + _chunk(b"IDAT", zlib.compress(rows)) + _chunk(b"IEND", b"")


def _chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
