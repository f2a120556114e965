"""Every byte of a file as texts to scan: the file itself, members of archives, streams of documents, what trails a picture.

Nothing is written, nothing is run, and archives have one budget: MAX_UNPACKED_BYTES, MAX_MEMBERS and MAX_DEPTH of one file.
"""

from __future__ import annotations

import bz2
import io
import lzma
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field

from agnes.checks import kinds
from agnes.checks.kinds import Kind, Signature
from agnes.checks.layers import Layer
from agnes.checks.model import Finding, Severity
from agnes.checks.reporting import finding

MAX_UNPACKED_BYTES = 60_000_000
MAX_MEMBERS = 3_000
MAX_DEPTH = 3
MAX_RATIO = 300
"""Times that a member may be larger than its packed form, above MIN_RATIO_BYTES: text packs 10 to 30 times."""
MIN_RATIO_BYTES = 1_000_000
MAX_STREAMS = 2_000
MIN_RUN = 8
"""Readable characters in a row that count as a text among bytes."""
OPENED_QUIETLY = (".mcpb", ".dxt", ".docx", ".xlsx", ".pptx", ".odt", ".ods", ".odp", ".epub", ".npz", ".skill")
"""Archives that are a document or a component; no finding says that they are archives."""
_ACTIVE_PDF = (b"/JavaScript", b"/Launch", b"/EmbeddedFile", b"/RichMedia")
_MACROS = ("vbaproject.bin", "vbadata.xml")
_END_OF_ZIP = b"PK\x05\x06"
_BYTECODE = b"\r\n"


@dataclass(slots=True)
class Unpacked:
    texts: list[tuple[str, bytes]] = field(default_factory=list)
    """Path and bytes of everything to scan; a member's path is `<archive>!<member>`."""
    findings: list[Finding] = field(default_factory=list)
    unread: int = 0
    left_bytes: int = MAX_UNPACKED_BYTES
    left_members: int = MAX_MEMBERS

    def add(self, rule: str, path: str, detail: str = "", severity: Severity | None = None) -> None:
        self.findings.append(finding(rule, path, detail=detail, severity=severity))

    def refuse(self, path: str, reason: str) -> None:
        self.add("file.unread", path, reason)
        self.unread += 1


def read(path: str, body: bytes, *, is_executable: bool = False) -> Unpacked:
    found = Unpacked()
    _read(found, path, body, 0, is_executable=is_executable)
    return found


def signature_finding(path: str, layer: Layer, line: int) -> Finding | None:
    """Of a decoded layer that is a program or an archive."""
    known = kinds.signature(layer.body) if layer.is_hidden else None
    if known is None or known.kind not in (Kind.PROGRAM, Kind.ARCHIVE):
        return None
    return finding("obfuscation.encoded-program", path, line, detail=known.name, how=layer.how)


def _read(found: Unpacked, path: str, body: bytes, depth: int, *, is_executable: bool) -> None:
    known = kinds.signature(body)
    if text := _other_text(body):
        found.texts.append((path, text))
        return
    if known is None and kinds.is_text(body):
        _text(found, path, body)
        return
    found.texts.append((path, readable(body)))
    if known is None:
        _unknown(found, path, body, is_executable=is_executable)
        return
    _disguise(found, path, known)
    if known.kind is Kind.PROGRAM:
        found.add("file.program", path, known.name)
    elif known.kind is Kind.ARCHIVE:
        _archive(found, path, body, known, depth)
    elif known.kind is Kind.DOCUMENT:
        _document(found, path, body)
    if known.kind is not Kind.ARCHIVE and known.kind is not Kind.PROGRAM:
        _trailing(found, path, body, known, depth)


def readable(body: bytes) -> bytes:
    """Runs of readable characters in bytes that are no text, a line each, as `strings` shows them."""
    return b"\n".join(run for run in body.translate(_READABLE).split(b"\n") if len(run) >= MIN_RUN)


_READABLE = bytes(byte if 32 <= byte < 127 else 10 for byte in range(256))


def _other_text(body: bytes) -> bytes:
    """UTF-16 and UTF-32 text as UTF-8; empty for everything else."""
    for mark, encoding in (
        (b"\xff\xfe\x00\x00", "utf-32"),
        (b"\x00\x00\xfe\xff", "utf-32"),
        (b"\xff\xfe", "utf-16"),
        (b"\xfe\xff", "utf-16"),
    ):
        if body.startswith(mark):
            text = body.decode(encoding, "replace").encode("utf-8", "replace")
            return text if kinds.is_text(text) else b""
    return b""


def _text(found: Unpacked, path: str, body: bytes) -> None:
    suffix = kinds.ending(path)
    found.texts.append((path, body))
    said = next((one for one in kinds.SIGNATURES if suffix and suffix in one.endings), None)
    if said and body.strip() and suffix not in (".a", ".d", ".o", ".db", ".pt", ".pub", ".ai", ".m"):
        script = body.startswith(b"#!") or b"<script" in body.lower() or b"<?php" in body
        found.add("file.disguised", path, f"it is text, not a {said.name}", None if script else Severity.MEDIUM)
    if suffix == ".svg" and _is_active(body):
        found.add("file.active-picture", path)


def _is_active(body: bytes) -> bool:
    lowered = body.lower()
    return b"<script" in lowered or b"javascript:" in lowered or b" onload=" in lowered or b"<foreignobject" in lowered


def _unknown(found: Unpacked, path: str, body: bytes, *, is_executable: bool) -> None:
    suffix = kinds.ending(path)
    if body.startswith(b"#!"):
        found.add("file.payload", path)
    elif body[2:4] == _BYTECODE and (suffix in (".pyc", ".pyo") or body[:1] > b"\x80" or len(body) > 16):
        found.add("file.bytecode", path)
    elif is_executable or path.startswith("bin/"):
        found.add("file.unknown-program", path)
    elif suffix in kinds.CODE_ENDINGS | kinds.PROSE_ENDINGS | kinds.CONFIG_ENDINGS:
        found.add(
            "file.disguised",
            path,
            f"its bytes are no text, as {suffix} says",
            Severity.HIGH if b"\x00" in body else Severity.MEDIUM,
        )
    else:
        found.add("file.unknown", path)


def _disguise(found: Unpacked, path: str, known: Signature) -> None:
    suffix = kinds.ending(path)
    if not known.endings or suffix in known.endings:
        return
    same_kind = any(
        suffix in one.endings for one in kinds.SIGNATURES if one.kind is known.kind and one.kind is not Kind.ARCHIVE
    )
    if same_kind and known.kind is not Kind.PROGRAM:
        return  # a JPEG that is called .png
    said = suffix in kinds.CODE_ENDINGS | kinds.PROSE_ENDINGS | kinds.CONFIG_ENDINGS or any(
        suffix and suffix in one.endings for one in kinds.SIGNATURES
    )
    if said:
        harmless = known.kind in (Kind.IMAGE, Kind.FONT, Kind.MEDIA)
        found.add("file.disguised", path, f"a {known.name} called {suffix}", Severity.MEDIUM if harmless else None)


def _archive(found: Unpacked, path: str, body: bytes, known: Signature, depth: int) -> None:
    if depth >= MAX_DEPTH:
        found.refuse(path, f"archives within archives, more than {MAX_DEPTH} deep")
        return
    members = 0
    try:
        for name, content in _members(found, body, known):
            members += 1
            _read(found, f"{path}!{name}", content, depth + 1, is_executable=False)
    except _Unreadable as reason:
        found.refuse(path, str(reason))
        return
    except (
        zipfile.BadZipFile,
        tarfile.TarError,
        zlib.error,
        lzma.LZMAError,
        OSError,
        EOFError,
        ValueError,
        NotImplementedError,
        RuntimeError,
    ) as error:
        found.refuse(path, f"the {known.name} is damaged or locked ({type(error).__name__})")
        return
    if kinds.ending(path) not in OPENED_QUIETLY:
        found.add("file.archive", path, f"{members} file{'' if members == 1 else 's'}")


class _Unreadable(Exception):
    pass


def _members(found: Unpacked, body: bytes, known: Signature) -> Iterator[tuple[str, bytes]]:
    if known.name == "zip archive":
        yield from _zip_members(found, body)
    elif known.name == "tar archive":
        yield from _tar_members(found, body)
    elif known.name in ("gzip data", "bzip2 data", "xz data"):
        plain = _inflated(found, body, known.name)
        inner = kinds.signature(plain)
        if inner is not None and inner.name == "tar archive":
            yield from _tar_members(found, plain)
        else:
            yield "data", plain
    elif known.name == "Zstandard data":
        import zstandard

        with zstandard.ZstdDecompressor().stream_reader(io.BytesIO(body)) as reader:
            plain = reader.read(found.left_bytes + 1)
        _charge(found, plain)
        yield "data", plain
    else:
        raise _Unreadable(f"nothing here opens a {known.name}")


def _charge(found: Unpacked, content: bytes) -> None:
    found.left_bytes -= len(content)
    found.left_members -= 1
    if found.left_bytes < 0:
        raise _Unreadable(f"more than {MAX_UNPACKED_BYTES} bytes are in it")
    if found.left_members < 0:
        raise _Unreadable(f"more than {MAX_MEMBERS} files are in it")


def _zip_members(found: Unpacked, body: bytes) -> Iterator[tuple[str, bytes]]:
    with zipfile.ZipFile(io.BytesIO(body)) as archive:
        for member in archive.infolist():
            if member.is_dir():
                continue
            if member.flag_bits & 1:
                raise _Unreadable("it is encrypted")
            if member.file_size > MIN_RATIO_BYTES and member.file_size > member.compress_size * MAX_RATIO:
                raise _Unreadable(f"a file in it is packed more than {MAX_RATIO} times")
            with archive.open(member) as opened:
                content = opened.read(found.left_bytes + 1)
            _charge(found, content)
            yield _shown(member.filename), content


def _tar_members(found: Unpacked, body: bytes) -> Iterator[tuple[str, bytes]]:
    with tarfile.open(fileobj=io.BytesIO(body), mode="r:") as archive:
        for member in archive:
            opened = archive.extractfile(member) if member.isfile() else None
            content = opened.read(found.left_bytes + 1) if opened else b""
            _charge(found, content)
            if opened:
                yield _shown(member.name), content


def _inflated(found: Unpacked, body: bytes, name: str) -> bytes:
    if name == "gzip data":
        machine = zlib.decompressobj(31)
        plain = machine.decompress(body, found.left_bytes + 1)
        if machine.eof and machine.unused_data.strip(b"\x00") and len(plain) <= found.left_bytes:
            second = zlib.decompressobj(31)  # a second member, as `cat a.gz b.gz` makes
            plain += second.decompress(machine.unused_data, found.left_bytes + 1 - len(plain))
    elif name == "bzip2 data":
        plain = bz2.BZ2Decompressor().decompress(body, found.left_bytes + 1)
    else:
        plain = lzma.LZMADecompressor(memlimit=256 << 20).decompress(body, found.left_bytes + 1)
    _charge(found, plain)
    return plain


def _shown(name: str) -> str:
    return "".join(c if c.isprintable() else "�" for c in name)[:240]


def _document(found: Unpacked, path: str, body: bytes) -> None:
    if body.startswith(b"%PDF-"):
        streams = b"\n".join(_streams(found, body))
        if streams:
            found.texts.append((f"{path}!streams.txt", streams))
        whole = body + streams
        if active := [word.decode()[1:] for word in _ACTIVE_PDF if word in whole]:
            found.add("file.active-document", path, ", ".join(active))
    elif body.startswith(b"\xd0\xcf\x11\xe0"):
        if b"V\x00B\x00A\x00" in body or b"_VBA_PROJECT" in body or b"Macros" in body:
            found.add("file.active-document", path, "macros")
        found.texts.append((f"{path}!text", body.replace(b"\x00", b"")))
    elif b"\\objdata" in body or b"\\objupdate" in body:
        found.add("file.active-document", path, "embedded objects")


def _streams(found: Unpacked, body: bytes) -> Iterator[bytes]:
    """What the compressed streams of a PDF hold, and the texts that a page shows put together."""
    at = 0
    for _ in range(MAX_STREAMS):
        at = body.find(b"stream", at)
        if at < 0 or found.left_bytes <= 0:
            return
        at += 6
        start = at + 2 if body[at : at + 2] == b"\r\n" else at + 1
        machine = zlib.decompressobj()
        try:
            plain = machine.decompress(body[start : start + 20_000_000], min(found.left_bytes, 10_000_000))
        except zlib.error:
            continue
        found.left_bytes -= len(plain)
        at = max(
            at, start + len(body[start : start + 20_000_000]) - len(machine.unused_data) - len(machine.unconsumed_tail)
        )
        yield readable(plain)
        if b"TJ" in plain or b"Tj" in plain:
            yield readable(_shown_text(plain))


def _shown_text(stream: bytes) -> bytes:
    """The strings in parentheses of a page's operators, in one line each operator."""
    pieces: list[bytes] = []
    depth, start, skip = 0, 0, False
    for at, byte in enumerate(stream[:2_000_000]):
        if skip:
            skip = False
        elif byte == 0x5C:
            skip = True
        elif byte == 0x28:
            depth += 1
            start = at + 1 if depth == 1 else start
        elif byte == 0x29 and depth:
            depth -= 1
            if not depth:
                pieces.append(stream[start:at])
        elif not depth and byte == 0x0A:
            pieces.append(b" ")
    return b"".join(pieces)


def _trailing(found: Unpacked, path: str, body: bytes, known: Signature, depth: int) -> None:
    """What was put behind a picture, a document or a film: an archive is found by its end, as unzip finds it."""
    end = body.rfind(_END_OF_ZIP, max(0, len(body) - 65_557))
    start = body.find(b"PK\x03\x04") if end >= 0 else -1
    if 0 < start < end:
        found.add("file.polyglot", path, f"a {known.name} and a zip archive")
        _archive(found, path, body[start:], Signature("zip archive", Kind.ARCHIVE, b"PK"), depth)
        return
    for magic, name in (
        (b"\x7fELF\x02\x01\x01", "ELF program"),
        (b"This program cannot be run in DOS mode", "Windows program"),
    ):
        if body.find(magic, 64) > 0:
            found.add(
                "file.polyglot",
                path,
                f"a {known.name} and an {name}" if name[0] == "E" else f"a {known.name} and a {name}",
            )
    picture_end = _picture_end(body, known)
    rest = body[picture_end:].lstrip(b"\x00\r\n ") if picture_end else b""
    if rest.startswith((b"#!", b"<?php", b"<script", b"import ", b"eval")):
        found.add("file.polyglot", path, f"a {known.name} and a script")
    elif (inner := kinds.signature(rest)) and inner.kind in (Kind.ARCHIVE, Kind.PROGRAM):
        found.add("file.polyglot", path, f"a {known.name} and a {inner.name}")


def _picture_end(body: bytes, known: Signature) -> int:
    """Where a picture says that it ends; 0 where that is not known."""
    if known.name == "PNG picture":
        at = body.find(b"IEND\xaeB`\x82")
        return at + 8 if at >= 0 else 0
    if known.name == "JPEG picture":
        at = body.rfind(b"\xff\xd9")
        return at + 2 if at >= 0 else 0
    return 0
