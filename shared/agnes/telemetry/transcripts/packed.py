"""Transcripts as they are stored: one zstd frame that states its plain size."""

from __future__ import annotations

import codecs
import threading

import zstandard

from agnes.kernel.errors import InvalidError, TooLargeError

MAX_PLAIN_BYTES = 50 * 1024 * 1024
MAX_PACKED_BYTES = MAX_PLAIN_BYTES
LEVEL = 3

_of_thread = threading.local()


class NotZstd(InvalidError):
    code = "not_zstd"

    def __init__(self, reason: str) -> None:
        super().__init__(
            f"the upload is not one zstd frame: {reason}",
            hint="Compress the transcript in one piece, with its size in the frame's header.",
        )


class TranscriptTooLarge(TooLargeError):
    code = "transcript_too_large"

    def __init__(self, size_bytes: int) -> None:
        super().__init__(
            f"the transcript has {size_bytes} bytes, the limit is {MAX_PLAIN_BYTES} (plain bytes)",
            hint="Start a new session with /clear; transcripts of this size are not counted.",
            limit_bytes=MAX_PLAIN_BYTES,
            size_bytes=size_bytes,
        )


class NotATranscript(InvalidError):
    """Whatever it is, its first line is not the beginning of a JSON object in UTF-8."""

    code = "not_a_transcript"

    def __init__(self, reason: str) -> None:
        super().__init__(
            f"this is no transcript: {reason}",
            hint="Send the `.jsonl` file that Claude Code writes, one JSON object a line.",
        )


def unpack(packed: bytes) -> bytes:
    """The plain bytes. The stated size is judged before anything is unpacked, so a small frame cannot grow large.

    Raises NotZstd or TranscriptTooLarge.
    """
    try:
        stated = zstandard.get_frame_parameters(packed).content_size
        if stated == zstandard.CONTENTSIZE_UNKNOWN:
            raise NotZstd("its header does not state the plain size")
        if stated > MAX_PLAIN_BYTES:
            raise TranscriptTooLarge(stated)
        if stated == 0:
            return b""
        return _decompressor().decompress(packed, allow_extra_data=False)
    except zstandard.ZstdError as exc:
        raise NotZstd(str(exc)[:100]) from exc


def _decompressor() -> zstandard.ZstdDecompressor:
    """One for each thread, since making one takes a tenth of what unpacking a transcript does."""
    found = getattr(_of_thread, "decompressor", None)
    if found is None:
        found = _of_thread.decompressor = zstandard.ZstdDecompressor()
    return found


def stated_bytes(packed: bytes) -> int:
    """The plain size that the frame states, and that `unpack` holds it to; 0 of what is no frame."""
    try:
        return max(0, zstandard.get_frame_parameters(packed).content_size)
    except zstandard.ZstdError:
        return 0


def pack(plain: bytes) -> bytes:
    """Raises TranscriptTooLarge."""
    if len(plain) > MAX_PLAIN_BYTES:
        raise TranscriptTooLarge(len(plain))
    return zstandard.ZstdCompressor(level=LEVEL).compress(plain)


def require_transcript(plain: bytes) -> None:
    """A cheap look at the first line; records are judged one by one when they are extracted.

    Raises NotATranscript.
    """
    first = plain[:65_536].removeprefix(codecs.BOM_UTF8).lstrip().partition(b"\n")[0]
    if not first:
        raise NotATranscript("it is empty")
    try:
        # A character may be cut at the end of what we look at.
        first[:-4].decode()
    except UnicodeDecodeError:
        raise NotATranscript("it is not UTF-8") from None
    if not first.startswith(b"{"):
        raise NotATranscript("its first line is not a JSON object")
