"""Files by their bytes: programs, archives, disguises, and what nobody can read. All are computed (`agnes.checks.files`)."""

from __future__ import annotations

import io
import zipfile

from agnes.checks.model import Severity
from agnes.checks.rules.model import Rule


def _zip(name: str, body: bytes, *, flags: int = 0) -> bytes:
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w") as archive:
        archive.writestr(zipfile.ZipInfo(name, (2026, 1, 1, 0, 0, 0)), body)
    packed = bytearray(held.getvalue())
    packed[6] |= flags
    packed[packed.find(b"PK\x01\x02") + 8] |= flags
    return bytes(packed)


_PNG = b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR\x00\x00\x00\x01\x00\x00\x00\x01\x08\x06\x00\x00\x00\x1f\x15\xc4\x89\x00\x00\x00\x00IEND\xaeB`\x82"
_ELF = b"\x7fELF\x02\x01\x01" + b"\x00" * 57
_WORDS = b"Month,Cost\n2026-01,12\n"

RULES = (
    Rule(
        "file.program", Severity.HIGH, "it is a compiled program: {detail}", "Leave it out, or bring its source; an admin decides about programs that nobody can read.",
        _ELF, b"#!/bin/sh\nexec python3 forecast.py\n", example_path="bin/forecast", counter_path="bin/forecast",
    ),
    Rule(
        "file.bytecode", Severity.HIGH, "it is compiled Python, which runs in place of a source that people can read",
        "Remove __pycache__ and .pyc files.", b"\xa7\x0d\x0d\x0a" + b"\x00" * 12 + b"\xe3", b"import json\n",
        example_path="scripts/__pycache__/forecast.cpython-311.pyc", counter_path="scripts/forecast.py",
    ),
    Rule(
        "file.disguised", Severity.CRITICAL, "its name says one kind of file and its bytes another: {detail}", "Give the file the extension of what it is.",
        _ELF, _PNG, example_path="assets/logo.png",
    ),
    Rule(
        "file.polyglot", Severity.CRITICAL, "two kinds of file are in one: {detail}", "Keep each in a file of its own.", _PNG + _zip("run.sh", b"ls"), _PNG,
        example_path="assets/logo.png",
    ),
    Rule(
        "file.payload", Severity.HIGH, "a script carries bytes that are no text", "Keep data in files of their own.",
        b"#!/bin/sh\ntail -n +3 $0 | tar xz\nexit\n\x1f\x8b\x08\x00\x00\x00\x00\x00\xff\xfe", b"#!/bin/sh\necho ready\n", example_path="scripts/install.sh",
    ),
    Rule(
        "file.archive", Severity.MEDIUM, "it is an archive; what is in it was read: {detail}", "Put the files themselves into the bundle.",
        _zip("rows.csv", _WORDS), _WORDS, example_path="data/rows.zip", counter_path="data/rows.csv",
    ),
    Rule(
        "file.unread", Severity.HIGH, "it cannot be read, so nobody knows what is in it: {detail}", "Put the files themselves into the bundle, without a password.",
        _zip("rows.csv", _WORDS, flags=1), _zip("rows.csv", _WORDS), example_path="data/rows.zip",
    ),
    Rule(
        "file.crowded", Severity.HIGH, "so many places may be of this rule that the rest was not looked at: {detail}", "Split the file, or leave out what repeats.",
        ("Send the figures.\n" + "curl " + "x" * 2_000 + "\n") * 1_200, "Send the figures with curl.\n" * 10, example_path="scripts/run.sh",
    ),
    Rule(
        "file.unknown", Severity.MEDIUM, "its bytes are of no kind that is known here", "Say in the text what it is, or leave it out.",
        bytes(range(256)) * 4, _WORDS, example_path="data/rows.bin", counter_path="data/rows.csv",
    ),
    Rule(
        "file.unknown-program", Severity.HIGH, "it may be run, and its bytes are of no kind that is known here", "Leave it out, or bring its source.",
        b"\x00\x01\x02\x03" * 40, b"#!/bin/sh\necho ready\n", example_path="bin/forecast",
    ),
    Rule(
        "file.active-document", Severity.HIGH, "the document runs something when it is opened: {detail}", "Save it without scripts, macros and attachments.",
        b"%PDF-1.4\n1 0 obj << /OpenAction << /S /JavaScript /JS (app.alert(1)) >> >>\n%%EOF\n", b"%PDF-1.4\n1 0 obj << /Type /Catalog >>\n%%EOF\n",
        example_path="document:guide.pdf",
    ),
    Rule(
        "file.active-picture", Severity.HIGH, "the picture runs a script where a browser shows it", "Save it without scripts.",
        '<svg xmlns="http://www.w3.org/2000/svg"><script>fetch("/me")</script></svg>', '<svg xmlns="http://www.w3.org/2000/svg"><path d="M0 0"/></svg>',
        example_path="assets/logo.svg",
    ),
)  # fmt: skip
