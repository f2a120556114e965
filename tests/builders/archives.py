"""Archives as people and attackers make them. `python -m tests.builders.archives` writes `tests/samples/*/archives` again."""

from __future__ import annotations

import io
import json
import stat
import struct
import zipfile
import zlib
from collections.abc import Callable, Mapping
from pathlib import Path
from random import Random

SAMPLES = Path(__file__).parents[1] / "samples"
SKILL = (
    "---\nname: notes\ndescription: Writes release notes from merged pull requests. "
    "Use it when a version is about to be announced.\n---\n# Release notes\n\n"
    "Read the merged pull requests since the last tag, group them by what they change for a reader, and write one line "
    "for each: what changed, for whom, and what to do about it. Leave out what nobody but the team notices.\n"
)
AGENT = SKILL.replace("name: notes", "name: auditor").replace("# Release notes", "# Auditor")
MANIFEST = json.dumps(
    {
        "name": "kit",
        "version": "1.2.0",
        "description": "Release notes and an auditor for budgets. Use it when a version or a quarter ends.",
    }
)
PLUGIN = {".claude-plugin/plugin.json": MANIFEST, "skills/notes/SKILL.md": SKILL, "agents/auditor.md": AGENT}


def packed(files: Mapping[str, str | bytes], *, mode: int = 0o644, method: int = zipfile.ZIP_DEFLATED) -> bytes:
    """A zip of these files, the same bytes each time."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as archive:
        for path, body in files.items():
            kind = stat.S_IFDIR if path.endswith("/") else stat.S_IFREG
            archive.writestr(_info(path, kind | mode, method), body)
    return buffer.getvalue()


def _info(path: str, mode: int = stat.S_IFREG | 0o644, method: int = zipfile.ZIP_DEFLATED) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(path, (2026, 1, 2, 3, 4, 6))
    info.external_attr, info.compress_type, info.create_system = mode << 16, method, 3
    return info


def raw(*members: tuple[bytes, bytes], flags: int = 0, local: Mapping[bytes, bytes] | None = None) -> bytes:
    """A zip of stored members by hand; `local` gives another name in a member's own header."""
    out, directory = b"", b""
    for name, body in members:
        own = (local or {}).get(name, name)
        rest = (flags, 0, 0, 0x5821, zlib.crc32(body), len(body), len(body), len(own), 0)
        directory += struct.pack("<4s6H3L5H2L", b"PK\x01\x02", 0x314, 20, *rest[:4], *rest[4:7], len(name), 0, 0, 0, 0,
                                 0o100644 << 16, len(out)) + name  # fmt: skip
        out += struct.pack("<4sH4H3L2H", b"PK\x03\x04", 20, *rest) + own + body
    end = struct.pack("<4s4H2LH", b"PK\x05\x06", 0, 0, len(members), len(members), len(directory), len(out), 0)
    return out + directory + end


def streamed(files: Mapping[str, str], *, wide: bool = False) -> bytes:
    """As programs write that cannot seek back: sizes stand behind each member."""

    class Pipe(io.RawIOBase):
        def __init__(self) -> None:
            self.body = b""

        def writable(self) -> bool:
            return True

        def write(self, data: bytes) -> int:  # type: ignore[override]
            self.body += bytes(data)
            return len(data)

    pipe = Pipe()
    with zipfile.ZipFile(pipe, "w", zipfile.ZIP_DEFLATED) as archive:
        for path, body in files.items():
            with archive.open(_info(path), "w", force_zip64=wide) as member:
                member.write(body.encode())
    return pipe.body


def _special(path: str, mode: int, body: bytes = b"/etc/passwd") -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr(_info("SKILL.md"), SKILL)
        archive.writestr(_info(path, mode, zipfile.ZIP_STORED), body)
    return buffer.getvalue()


def _twice() -> bytes:
    return raw((b"SKILL.md", b"harmless"), (b"SKILL.md", b"harmful!"))


def _overlapping() -> bytes:
    """Two members of the directory over the same bytes, as in a bomb that is not nested."""
    whole = raw((b"a.txt", b"x" * 40), (b"b.txt", b"y" * 40))
    at = whole.rindex(b"PK\x01\x02")
    second = bytearray(whole[at:])
    second[42:46] = struct.pack("<L", 0)
    return whole[:at] + bytes(second)


def _gap() -> bytes:
    one, hidden = raw((b"a.txt", b"shown")), b"PK\x03\x04 hidden bytes"
    at = one.index(b"PK\x01\x02")
    end = bytearray(one[-22:])
    end[16:20] = struct.pack("<L", at + len(hidden))
    return one[:at] + hidden + one[at:-22] + bytes(end)


def _wrong_crc() -> bytes:
    whole = raw((b"SKILL.md", b"what was signed"))
    return whole.replace(b"what was signed", b"what was forged", 1)


def _longer_than_declared() -> bytes:
    stream = zlib.compressobj(9, zlib.DEFLATED, -15)
    body = stream.compress(b"x" * 100_000) + stream.flush()
    name = b"SKILL.md"
    numbers = (8, 0, 0x5821, zlib.crc32(b"x" * 10), len(body), 10)
    local = struct.pack("<4s2H3H3L2H", b"PK\x03\x04", 20, 0, *numbers, len(name), 0) + name + body
    central = struct.pack("<4s2H4H3L5H2L", b"PK\x01\x02", 0x314, 20, 0, *numbers, len(name), 0, 0, 0, 0, 0, 0) + name
    return local + central + struct.pack("<4s4H2LH", b"PK\x05\x06", 0, 0, 1, 1, len(central), len(local), 0)


def _method(number: int) -> bytes:
    whole = bytearray(raw((b"SKILL.md", b"text")))
    whole[8:10] = struct.pack("<H", number)
    at = whole.index(b"PK\x01\x02")
    whole[at + 10 : at + 12] = struct.pack("<H", number)
    return bytes(whole)


def _damaged() -> bytes:
    whole = bytearray(packed({"SKILL.md": SKILL}))
    whole[60] ^= 0xFF
    return bytes(whole)


def _two_names() -> bytes:
    """The field of Info-ZIP that gives a member another name, for readers who look at it."""
    body, name = b"text", b"SKILL.md"
    other = struct.pack("<BL", 1, zlib.crc32(name)) + b"../evil.sh"
    extra = struct.pack("<HH", 0x7075, len(other)) + other
    local = struct.pack("<4s5H3L2H", b"PK\x03\x04", 20, 0, 0, 0, 0x5821, zlib.crc32(body), 4, 4, 8, len(extra))
    local += name + extra + body
    central = struct.pack("<4s6H3L5H2L", b"PK\x01\x02", 0x314, 20, 0, 0, 0, 0x5821, zlib.crc32(body), 4, 4, 8,
                          len(extra), 0, 0, 0, 0, 0) + name + extra  # fmt: skip
    return local + central + struct.pack("<4s4H2LH", b"PK\x05\x06", 0, 0, 1, 1, len(central), len(local), 0)


def _with_comment(comment: bytes) -> bytes:
    whole = bytearray(raw((b"SKILL.md", b"text")))
    whole[-2:] = struct.pack("<H", len(comment))
    return bytes(whole) + comment


def _many(count: int) -> bytes:
    return raw(*((f"{n}.txt".encode(), b"") for n in range(count)))


def _bomb() -> bytes:
    return packed({f"{n}.txt": bytes(9_000_000) for n in range(2)})


def _declares(size: int) -> bytes:
    whole = bytearray(raw((b"SKILL.md", b"text")))
    whole[22:26] = struct.pack("<L", size)
    at = whole.index(b"PK\x01\x02")
    whole[at + 24 : at + 28] = struct.pack("<L", size)
    return bytes(whole)


def _nested() -> bytes:
    inner = packed({"inner.txt": bytes(9_000_000)})
    return packed({"SKILL.md": SKILL, "assets/inner.zip": inner}, method=zipfile.ZIP_STORED)


def _named(name: str) -> Callable[[], bytes]:
    return lambda: raw((name.encode(), b"text"))


ACCEPTED: dict[str, tuple[Callable[[], bytes], list[str]]] = {
    "skill": (lambda: packed({"SKILL.md": SKILL}), ["SKILL.md"]),
    "wrapped": (lambda: packed({"notes-1.0/SKILL.md": SKILL, "notes-1.0/a.py": "pass\n"}),
                ["notes-1.0/SKILL.md", "notes-1.0/a.py"]),
    "plugin": (lambda: packed(PLUGIN), list(PLUGIN)),
    "streamed": (lambda: streamed({"SKILL.md": SKILL, "a.txt": "a"}), ["SKILL.md", "a.txt"]),
    "streamed-wide": (lambda: streamed({"SKILL.md": SKILL, "a.txt": "a"}, wide=True), ["SKILL.md", "a.txt"]),
    "mac": (lambda: packed({"SKILL.md": SKILL, "__MACOSX/._SKILL.md": "x", ".DS_Store": "x", ".git/config": "x"}),
            ["SKILL.md"]),
    "mac-names": (lambda: raw(("Größe.md".encode(), b"text")), ["Größe.md"]),
    "comment": (lambda: _with_comment(b"made by a program"), ["SKILL.md"]),
    "folders": (lambda: packed({"notes/": "", "notes/SKILL.md": SKILL}), ["notes/SKILL.md"]),
    "nested": (_nested, ["SKILL.md", "assets/inner.zip"]),
}  # fmt: skip

REJECTED: dict[str, Callable[[], bytes]] = {
    "absolute": _named("/etc/passwd"),
    "parent": _named("notes/../../evil.sh"),
    "drive": _named("C:/evil.bat"),
    "backslash": _named("notes\\SKILL.md"),
    "double-slash": _named("notes//SKILL.md"),
    "bidi": _named("notes/\u202egpj.exe"),
    "zero-width": _named("notes/SKILL\u200b.md"),
    "nul": _named("SKILL.md\0.exe"),
    "newline": _named("SKILL\n.md"),
    "device": _named("notes/con.md"),
    "trailing-dot": _named("notes./SKILL.md"),
    "git-short-name": _named("notes/git~1/config"),
    "git-case": _named("notes/.GIT/config"),
    "deep": _named("a/" * 24 + "SKILL.md"),
    "long": _named("a" * 120 + "/" + "b" * 120),
    "not-utf8": lambda: raw((b"gr\xf6\xdfe.md", b"text")),
    "case": lambda: raw((b"SKILL.md", b"one"), (b"skill.md", b"two")),
    "case-folder": lambda: raw((b"notes/a.md", b"one"), (b"Notes/b.md", b"two")),
    "accents": lambda: raw(("caf\u00e9.md".encode(), b"one"), ("cafe\u0301.md".encode(), b"two")),
    "file-and-folder": lambda: raw((b"notes", b"one"), (b"notes/a.md", b"two")),
    "symlink": lambda: _special("link", stat.S_IFLNK | 0o777),
    "pipe": lambda: _special("pipe", stat.S_IFIFO | 0o644),
    "device-node": lambda: _special("disk", stat.S_IFBLK | 0o644),
    "folder-as-file": lambda: _special("file", stat.S_IFDIR | 0o755),
    "folder-with-content": lambda: _special("folder/", stat.S_IFDIR | 0o755),
    "encrypted": lambda: raw((b"SKILL.md", b"secret bytes"), flags=0x1),
    "strongly-encrypted": lambda: raw((b"SKILL.md", b"secret bytes"), flags=0x41),
    "duplicate": _twice,
    "local-name": lambda: raw((b"SKILL.md", b"text"), local={b"SKILL.md": b"EVIL5.md"}),
    "two-names": _two_names,
    "overlapping": _overlapping,
    "gap": _gap,
    "prefix": lambda: b"MZ self-extracting" + raw((b"SKILL.md", b"text")),
    "polyglot": lambda: raw((b"a.txt", b"first archive")) + raw((b"b.txt", b"second archive")),
    "trailing": lambda: raw((b"SKILL.md", b"text")) + b"trailing",
    "end-in-comment": lambda: _with_comment(b"PK\x05\x06" + bytes(18)),
    "cut": lambda: raw((b"SKILL.md", b"text" * 40))[:60],
    "no-zip": lambda: b"Rar!\x1a\x07\x00 not a zip",
    "empty": lambda: b"",
    "no-members": raw,
    "only-folders": lambda: packed({"notes/": ""}),
    "crc": _wrong_crc,
    "longer": _longer_than_declared,
    "bzip2": lambda: _method(12),
    "unknown-method": lambda: _method(97),
    "many": lambda: _many(10_001),
    "bomb": _bomb,
    "declares-much": lambda: _declares(300_000_000),
    "large-file": lambda: packed({"SKILL.md": SKILL, "big.bin": bytes(9_800_000) + Random(7).randbytes(200_001)}),
    "damaged": _damaged,
}  # fmt: skip


def write() -> None:
    for folder, made in (
        ("accept", {name: make() for name, (make, _) in ACCEPTED.items()}),
        ("reject", {name: make() for name, make in REJECTED.items()}),
    ):
        (SAMPLES / folder / "archives").mkdir(parents=True, exist_ok=True)
        for name, body in made.items():
            if len(body) < 40_000:  # larger ones are made when they are needed
                (SAMPLES / folder / "archives" / f"{name}.zip").write_bytes(body)


if __name__ == "__main__":
    write()
