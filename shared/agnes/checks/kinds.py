"""What kind of file it is, by its first bytes and its name.

A name is what its uploader says; the first bytes are what a program that opens it believes. Both count.
"""

from __future__ import annotations

import posixpath
from dataclasses import dataclass
from enum import StrEnum

from agnes.checks.rules.model import Where


class Kind(StrEnum):
    TEXT = "text"
    PROGRAM = "program"
    ARCHIVE = "archive"
    IMAGE = "image"
    DOCUMENT = "document"
    MEDIA = "media"
    FONT = "font"
    DATA = "data"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Signature:
    name: str
    kind: Kind
    magic: bytes
    at: int = 0
    endings: tuple[str, ...] = ()
    """Of names that say the same; empty if names do not matter."""


SIGNATURES = (
    Signature("ELF program", Kind.PROGRAM, b"\x7fELF", endings=(".so", ".o", ".node", "")),
    Signature("Windows program", Kind.PROGRAM, b"MZ", endings=(".exe", ".dll", ".sys", ".scr", ".node", ".pyd")),
    Signature("Mach-O program", Kind.PROGRAM, b"\xcf\xfa\xed\xfe", endings=(".dylib", ".o", ".node", "")),
    Signature("Mach-O program", Kind.PROGRAM, b"\xce\xfa\xed\xfe", endings=(".dylib", "")),
    Signature("Mach-O program", Kind.PROGRAM, b"\xfe\xed\xfa\xcf", endings=(".dylib", "")),
    Signature("Mach-O program", Kind.PROGRAM, b"\xfe\xed\xfa\xce", endings=(".dylib", "")),
    Signature("Java class or universal program", Kind.PROGRAM, b"\xca\xfe\xba\xbe", endings=(".class", ".dylib", "")),
    Signature("WebAssembly module", Kind.PROGRAM, b"\x00asm", endings=(".wasm",)),
    Signature("Android program", Kind.PROGRAM, b"dex\n", endings=(".dex",)),
    Signature("Windows shortcut", Kind.PROGRAM, b"\x4c\x00\x00\x00\x01\x14\x02\x00", endings=(".lnk",)),
    Signature("zip archive", Kind.ARCHIVE, b"PK\x03\x04", endings=(
        ".zip", ".mcpb", ".dxt", ".skill", ".docx", ".xlsx", ".pptx", ".odt", ".ods", ".odp", ".epub", ".jar", ".whl", ".apk", ".vsix",
        ".nupkg", ".xpi", ".npz", ".dotx", ".potx", ".thmx", ".xlsm", ".docm", ".pptm", ".sketch", ".kmz", ".pt", ".pth",
    )),
    Signature("zip archive", Kind.ARCHIVE, b"PK\x05\x06", endings=(".zip",)),
    Signature("gzip data", Kind.ARCHIVE, b"\x1f\x8b\x08", endings=(".gz", ".tgz", ".svgz", ".rda", ".rds", ".nii")),
    Signature("bzip2 data", Kind.ARCHIVE, b"BZh", endings=(".bz2", ".tbz2")),
    Signature("xz data", Kind.ARCHIVE, b"\xfd7zXZ\x00", endings=(".xz", ".txz")),
    Signature("Zstandard data", Kind.ARCHIVE, b"\x28\xb5\x2f\xfd", endings=(".zst",)),
    Signature("LZ4 data", Kind.ARCHIVE, b"\x04\x22\x4d\x18", endings=(".lz4",)),
    Signature("7-Zip archive", Kind.ARCHIVE, b"7z\xbc\xaf\x27\x1c", endings=(".7z",)),
    Signature("RAR archive", Kind.ARCHIVE, b"Rar!\x1a\x07", endings=(".rar",)),
    Signature("tar archive", Kind.ARCHIVE, b"ustar", 257, (".tar",)),
    Signature("cabinet archive", Kind.ARCHIVE, b"MSCF", endings=(".cab",)),
    Signature("ar archive", Kind.ARCHIVE, b"!<arch>\n", endings=(".a", ".deb")),
    Signature("RPM package", Kind.ARCHIVE, b"\xed\xab\xee\xdb", endings=(".rpm",)),
    Signature("PDF document", Kind.DOCUMENT, b"%PDF-", endings=(".pdf", ".ai")),
    Signature("Office document of the old form", Kind.DOCUMENT, b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", endings=(
        ".doc", ".xls", ".ppt", ".msi", ".msg", ".pub", ".xla", ".db",
    )),
    Signature("RTF document", Kind.DOCUMENT, b"{\\rtf", endings=(".rtf",)),
    Signature("PNG picture", Kind.IMAGE, b"\x89PNG\r\n\x1a\n", endings=(".png", ".apng")),
    Signature("JPEG picture", Kind.IMAGE, b"\xff\xd8\xff", endings=(".jpg", ".jpeg", ".jfif")),
    Signature("GIF picture", Kind.IMAGE, b"GIF87a", endings=(".gif",)),
    Signature("GIF picture", Kind.IMAGE, b"GIF89a", endings=(".gif",)),
    Signature("WebP picture", Kind.IMAGE, b"WEBP", 8, (".webp",)),
    Signature("WAV sound", Kind.MEDIA, b"WAVE", 8, (".wav",)),
    Signature("icon", Kind.IMAGE, b"\x00\x00\x01\x00", endings=(".ico", ".cur")),
    Signature("BMP picture", Kind.IMAGE, b"BM", endings=(".bmp",)),
    Signature("TIFF picture", Kind.IMAGE, b"II*\x00", endings=(".tif", ".tiff", ".dng")),
    Signature("TIFF picture", Kind.IMAGE, b"MM\x00*", endings=(".tif", ".tiff")),
    Signature("AVIF, HEIC or MP4 file", Kind.MEDIA, b"ftyp", 4, (".mp4", ".m4a", ".m4v", ".mov", ".avif", ".heic", ".heif", ".3gp")),
    Signature("WebM or Matroska film", Kind.MEDIA, b"\x1aE\xdf\xa3", endings=(".webm", ".mkv")),
    Signature("Ogg sound", Kind.MEDIA, b"OggS", endings=(".ogg", ".oga", ".opus")),
    Signature("MP3 sound", Kind.MEDIA, b"ID3", endings=(".mp3",)),
    Signature("FLAC sound", Kind.MEDIA, b"fLaC", endings=(".flac",)),
    Signature("font", Kind.FONT, b"wOFF", endings=(".woff",)),
    Signature("font", Kind.FONT, b"wOF2", endings=(".woff2",)),
    Signature("font", Kind.FONT, b"OTTO", endings=(".otf",)),
    Signature("font", Kind.FONT, b"\x00\x01\x00\x00\x00", endings=(".ttf",)),
    Signature("SQLite database", Kind.DATA, b"SQLite format 3\x00", endings=(".db", ".sqlite", ".sqlite3")),
    Signature("parquet data", Kind.DATA, b"PAR1", endings=(".parquet",)),
    Signature("Arrow data", Kind.DATA, b"ARROW1", endings=(".arrow", ".feather")),
    Signature("NumPy data", Kind.DATA, b"\x93NUMPY", endings=(".npy",)),
    Signature("HDF5 data", Kind.DATA, b"\x89HDF\r\n\x1a\n", endings=(".h5", ".hdf5")),
    Signature("git bundle", Kind.ARCHIVE, b"# v2 git bundle", endings=(".bundle",)),
    Signature("git pack", Kind.ARCHIVE, b"PACK\x00\x00\x00", endings=(".pack",)),
)  # fmt: skip
"""The first that fits counts. Sources: the formats' own specifications."""

_BY_FIRST: dict[int, list[Signature]] = {}
for _one in SIGNATURES:
    if not _one.at:
        _BY_FIRST.setdefault(_one.magic[0], []).append(_one)
_LATER = tuple(one for one in SIGNATURES if one.at)

PROSE_ENDINGS = frozenset(
    [".md", ".mdx", ".markdown", ".txt", ".rst", ".adoc", ".html", ".htm", ".text", ".org", ".csv", ".tsv", ".tex"]
)
CONFIG_ENDINGS = frozenset(
    [".json", ".jsonc", ".json5", ".jsonl", ".yaml", ".yml", ".toml", ".ini", ".cfg", ".conf", ".xml", ".plist", ".env", ".properties", ".lock",
     ".svg", ".ipynb", ".xsd", ".graphql", ".proto"]
)  # fmt: skip
CODE_ENDINGS = frozenset(
    [".sh", ".bash", ".zsh", ".fish", ".ksh", ".py", ".pyw", ".js", ".mjs", ".cjs", ".jsx", ".ts", ".tsx", ".mts", ".cts", ".rb", ".pl", ".pm", ".php",
     ".ps1", ".psm1", ".psd1", ".bat", ".cmd", ".vbs", ".vbe", ".wsf", ".hta", ".lua", ".go", ".rs", ".java", ".kt", ".scala", ".swift", ".c", ".cc",
     ".cpp", ".h", ".hpp", ".cs", ".fs", ".r", ".jl", ".ex", ".exs", ".erl", ".clj", ".groovy", ".gradle", ".sql", ".awk", ".tcl", ".applescript",
     ".scpt", ".m", ".mm", ".nim", ".zig", ".dart", ".vue", ".svelte", ".css", ".scss", ".tf", ".nix", ".mk", ".cmake", ".d", ".jse"]
)  # fmt: skip
CODE_NAMES = frozenset(
    [
        "makefile",
        "dockerfile",
        "containerfile",
        "justfile",
        "rakefile",
        "gemfile",
        "vagrantfile",
        "jenkinsfile",
        "procfile",
    ]
)
PROSE_NAMES = frozenset(
    ["readme", "license", "licence", "notice", "changelog", "contributing", "authors", "copying", "claude", "todo"]
)


def signature(body: bytes) -> Signature | None:
    if not body:
        return None
    for one in _BY_FIRST.get(body[0], ()):
        if (
            body.startswith(one.magic)
            and (one.magic != b"MZ" or is_program(body))
            and (one.magic != b"BM" or b"\x00" in body[:32])
        ):
            return one
    for one in _LATER:
        if body[one.at : one.at + len(one.magic)] == one.magic and (one.at != 8 or body.startswith(b"RIFF")):
            return one
    return None


def is_program(body: bytes) -> bool:
    """Whether what begins with MZ has the header that its pointer says: two letters may begin any text."""
    where = int.from_bytes(body[60:64], "little")
    return len(body) >= 64 and (body[where : where + 2] in (b"PE", b"NE", b"LE") or b"\x00" in body[:64])


def is_text(body: bytes) -> bool:
    """Whether people and interpreters read it as text: no NUL in it, and nearly no other control characters."""
    if b"\x00" in body:
        return False
    sample = body[:65_536]
    return not sample or len(sample.translate(None, _CONTROLS)) >= len(sample) * 0.98


_CONTROLS = bytes(c for c in range(32) if c not in (7, 8, 9, 10, 12, 13, 27))


def ending(path: str) -> str:
    """The extension with its dot, in small letters; empty without one."""
    return posixpath.splitext(posixpath.basename(path).lower())[1]


def where(path: str, body: bytes) -> Where:
    """What kind of text a file is."""
    if path.startswith("form:"):
        return Where.PROSE
    name = posixpath.basename(path.rpartition("!")[2]).lower()
    suffix = ending(name)
    if body.startswith(b"#!") or name in CODE_NAMES or suffix in CODE_ENDINGS:
        return Where.CODE
    if suffix in CONFIG_ENDINGS or (name.startswith(".") and suffix == ""):
        return Where.CONFIG
    if suffix in PROSE_ENDINGS or name.partition(".")[0] in PROSE_NAMES:
        return Where.PROSE
    return Where.PROSE | Where.CODE


GIVEN_FOLDERS = frozenset(["commands", "agents", "output-styles", "rules"])


def is_document(path: str) -> bool:
    """Whether a text is one that an agent is not given by itself: neither a skill, a command, an agent or an output style, nor a
    file of instructions or the form."""
    parts = path.rpartition("!")[2].split("/")
    name = parts[-1].lower()
    given = name in ("skill.md", "claude.md", "agents.md", "claude.local.md") or not GIVEN_FOLDERS.isdisjoint(
        parts[:-1]
    )
    return not given and not path.startswith("form:")
