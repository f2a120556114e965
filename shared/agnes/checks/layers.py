"""What a text says once it is read as its readers read it: without tricks of Unicode, and decoded.

Each layer is scanned as the file itself is. All work is bounded: a file has at most MAX_LAYERS, of MAX_LAYER_BYTES each.
"""

from __future__ import annotations

import base64
import html
import json
import unicodedata
import zlib
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from urllib.parse import unquote_to_bytes

from agnes.checks import kinds
from agnes.kernel.scanning import Patterns, PatternSet

MAX_LAYERS = 40
MAX_LAYER_BYTES = 2_000_000
MAX_DEPTH = 4
"""Encodings within one another."""
MAX_BLOBS = 200
"""Encoded words of one text that are decoded."""
MAX_JOINS = 2_000
"""Places of one text where pieces are put together."""
MIN_BLOB_BYTES = 12
"""Of what was decoded: less is no instruction."""

# Letters of other scripts that look like Latin ones (Unicode TS 39, confusables.txt); NFKC does the rest.
_CONFUSABLE = {
    **dict(zip(map(ord, "аеорсухіјѕԁһոԛԝьӏѵгкмнтвАВЕКМНОРСТХІЈЅѴԌԛ"), "aeopcyxijsdhnqwblvrkmhtbABEKMHOPCTXIJSVGq", strict=True)),
    **dict(zip(map(ord, "ορνιατκυχγΑΒΕΖΗΙΚΜΝΟΡΤΥΧϲϳ"), "opviatkuxyABEZHIKMNOPTYXcj", strict=True)),
    **dict(zip(map(ord, "ıɑɡɩʀʏʟⅼ∣ǀ"), "iagiRYLlll", strict=True)),
}  # fmt: skip
_LEET = bytes.maketrans(b"013457@$!", b"oieastasi")


@dataclass(frozen=True, slots=True)
class Layer:
    body: bytes
    how: str
    """What had to be done to read it, in words; empty for the text as it is."""
    at: int = 0
    """Where in the text it begins, in bytes; -1 if places in the layer are places in the text's lines."""
    is_hidden: bool = False
    """Nobody reads it by looking."""

    @property
    def keeps_lines(self) -> bool:
        return self.at < 0


def of(body: bytes, patterns: Patterns) -> Iterator[Layer]:
    """Every other reading of a text, without the text itself."""
    yield from islice(_all(body, 0, patterns.compile(_SOURCES)), MAX_LAYERS)


def _all(body: bytes, depth: int, encoded: PatternSet) -> Iterator[Layer]:
    present = encoded.present(body)
    if not depth:
        if not body.isascii():
            yield from _unicode(body)
        yield from _comments(body)
        short = body[:MAX_LAYER_BYTES]
        if _JOINED in present:
            yield Layer(
                _replaced(short, encoded.spans(_JOINED, short, MAX_JOINS), lambda _: b""),
                "text put together from pieces",
                -1,
            )
        if _SPACED in present:
            yield Layer(
                _replaced(short, encoded.spans(_SPACED, short, MAX_JOINS), _unspaced), "letters that are set apart", -1
            )
    for at, plain, how in _decoded(body, present, encoded):
        yield Layer(plain[:MAX_LAYER_BYTES], how, at, is_hidden=True)
        if depth + 1 < MAX_DEPTH and kinds.is_text(plain):
            for inner in _all(plain[:MAX_LAYER_BYTES], depth + 1, encoded):
                yield Layer(inner.body, f"{inner.how} in {how}", at, is_hidden=True)


def _replaced(body: bytes, spans: Iterable[tuple[int, int]], by: Callable[[bytes], bytes]) -> bytes:
    pieces, at = [], 0
    for start, end in spans:
        pieces += [body[at:start], by(body[start:end])]
        at = end
    return b"".join([*pieces, body[at:]])


def _unspaced(word: bytes) -> bytes:
    return bytes([word[0]]) + word[1:].translate(None, b" .*_|-")


def _comments(body: bytes) -> Iterator[Layer]:
    at = 0
    for _ in range(MAX_BLOBS):
        start = body.find(b"<!--", at)
        end = body.find(b"-->", start + 4) if start >= 0 else -1
        if end < 0:
            return
        if end - start >= MIN_BLOB_BYTES:
            yield Layer(
                body[start + 4 : end][:MAX_LAYER_BYTES],
                "a comment that a page does not show",
                start + 4,
                is_hidden=True,
            )
        at = end + 3


def _unicode(body: bytes) -> Iterator[Layer]:
    text = body[: MAX_LAYER_BYTES * 2].decode("utf-8", "replace")
    characters = set(text)
    if any("\U000e0020" <= c <= "\U000e007e" for c in characters):
        tags = "".join(chr(ord(c) - 0xE0000) for c in text if "\U000e0020" <= c <= "\U000e007e")
        yield Layer(tags.encode(), "invisible tag characters", body.find(b"\xf3\xa0"), is_hidden=True)
    if any("\U000e0100" <= c <= "\U000e01ef" for c in characters):
        bits = [c for c in text if "\U000e0100" <= c <= "\U000e01ef"]
        plain = bytes(min(255, ord(c) - 0xE0100 + 16) for c in bits)
        if len(plain) > 3:
            yield Layer(plain, "invisible variation selectors", body.find(b"\xf3\xa0\x84"), is_hidden=True)
    plain_text = plain_letters(text)
    if plain_text != text:
        yield Layer(plain_text.encode(), "look-alike or invisible characters", -1)


def plain_letters(text: str) -> str:
    """Compatibility forms and look-alikes as plain letters, without invisible characters; lines stay lines."""
    if text.isascii():
        return text
    folded = unicodedata.normalize("NFKD", text)
    table: dict[int, str | None] = dict(_CONFUSABLE)
    table |= {ord(c): None for c in set(folded) if unicodedata.category(c) in ("Cf", "Mn", "Me", "Co")}
    return folded.translate(table)


def leet(body: bytes) -> bytes:
    """Digits and signs as the letters that they stand for in words such as `1gn0re`."""
    return body.translate(_LEET)


def json_texts(body: bytes) -> bytes:
    """The texts of a JSON document, a line each; empty for what is none or has no escapes. Deep nesting is not followed."""
    if b"\\" not in body or len(body) > MAX_LAYER_BYTES:
        return b""
    try:
        value = json.loads(body)
    except (ValueError, RecursionError):
        return b""
    found, waiting = [], [value]
    while waiting:
        one = waiting.pop()
        if isinstance(one, str):
            found.append(one)
        elif isinstance(one, dict):
            waiting.extend(reversed(one.values()))
        elif isinstance(one, list):
            if one and all(isinstance(part, str) for part in one):
                found.append(" ".join(one))  # arguments of a command
            else:
                waiting.extend(reversed(one))
    return "\n".join(found).encode("utf-8", "replace")


def _decoded(body: bytes, present: Collection[int], encoded: PatternSet) -> Iterator[tuple[int, bytes, str]]:
    """(place, plain bytes, how) of each encoded word that decodes to text or to a program or archive."""
    left = MAX_BLOBS
    for number, (_, decode, how) in enumerate(_ENCODINGS):
        for start, end in encoded.spans(number, body, left) if number in present and left else ():
            left -= 1
            plain = decode(body[start : min(end, start + MAX_LAYER_BYTES * 2)])
            if plain is None or len(plain) < MIN_BLOB_BYTES:
                continue
            if how == "base64" and plain[:2] in (b"\x1f\x8b", b"x\x9c", b"x\xda"):
                plain = inflated(plain) or plain
            known = kinds.signature(plain)
            if (known and known.kind in (kinds.Kind.PROGRAM, kinds.Kind.ARCHIVE)) or (known is None and _reads(plain)):
                yield start, plain, how


def _reads(plain: bytes) -> bool:
    """Whether it is text: random bytes nearly never are."""
    if plain.count(b"\x00") * 2 >= len(plain) - 1 and len(plain) > 20:  # UTF-16, as PowerShell's -EncodedCommand
        return True
    return b"\x00" not in plain and len(plain.translate(None, _PRINTABLE)) <= len(plain) * 0.05 and _has_words(plain)


def _has_words(plain: bytes) -> bool:
    return b" " in plain or b"/" in plain or b"(" in plain or b"\n" in plain


_PRINTABLE = bytes([9, 10, 13, *range(32, 127)])


def inflated(body: bytes) -> bytes:
    """Gzip or zlib data, at most MAX_LAYER_BYTES of it; empty for what is none."""
    machine = zlib.decompressobj(47)
    try:
        return machine.decompress(body, MAX_LAYER_BYTES)
    except zlib.error:
        return b""


def _base64(word: bytes) -> bytes | None:
    word = word.translate(None, b" \t\r\n=").replace(b"-", b"+").replace(b"_", b"/")
    word = word[:-1] if len(word) % 4 == 1 else word
    plain = base64.b64decode(word + b"=" * (-len(word) % 4))
    return plain.replace(b"\x00", b"") if plain[1:2] == b"\x00" and plain[3:4] == b"\x00" else plain


def _hex(word: bytes) -> bytes | None:
    return bytes.fromhex(word[: len(word) // 2 * 2].decode())


def _escaped(word: bytes) -> bytes | None:
    return bytes.fromhex(word.replace(b"\\x", b"").decode())


def _unicode_escaped(word: bytes) -> bytes | None:
    codes = [int(one.strip(b"{}"), 16) for one in word.split(b"\\u")[1:]]
    return "".join(chr(code) for code in codes if code < 0xD800 or 0xE000 <= code <= 0x10FFFF).encode()


def _octal(word: bytes) -> bytes | None:
    return bytes(min(255, int(one, 8)) for one in word.split(b"\\")[1:])


def _entities(word: bytes) -> bytes | None:
    return html.unescape(word.decode()).encode("utf-8", "replace")


def _charcodes(word: bytes) -> bytes | None:
    codes = [int(one, 16 if one.strip()[:2] == b"0x" else 10) for one in word.split(b",")]
    return bytes(codes) if max(codes) < 256 else None


_ENCODINGS: tuple[tuple[str, Callable[[bytes], bytes | None], str], ...] = (
    (r"(?:[A-Za-z0-9+/]{40,}\r?\n[ \t]*){2,}[A-Za-z0-9+/]+={0,2}", _base64, "base64"),
    (r"[A-Za-z0-9+/_-]{24,}={0,2}", _base64, "base64"),
    (r"[0-9a-fA-F]{32,}", _hex, "hexadecimal"),
    (r"(?:\\x[0-9a-fA-F]{2}){6,}", _escaped, "escapes of bytes"),
    (r"(?:\\u[0-9a-fA-F]{4}|\\u\{[0-9a-fA-F]{1,6}\}){4,}", _unicode_escaped, "escapes of characters"),
    (r"(?:\\[0-3][0-7]{2}){6,}", _octal, "octal escapes"),
    (r"(?:%[0-9a-fA-F]{2}){6,}", unquote_to_bytes, "percent-encoding"),
    (r"(?:&#(?:x[0-9a-fA-F]{1,6}|[0-9]{1,7});){4,}", _entities, "character references"),
    (
        r"\b(?:(?:0x[0-9a-fA-F]{2}|[0-9]{2,3})\s*,\s*){10,}(?:0x[0-9a-fA-F]{2}|[0-9]{2,3})\b",
        _charcodes,
        "a list of character codes",
    ),
)
"""Encoded words, what decodes them, and its name."""
_SOURCES = (
    *(pattern for pattern, _, _ in _ENCODINGS),
    r"""["'] *(?:\+|\.\.) *["']""",
    r"(?:\b[A-Za-z][ .*_|-]){7,}[A-Za-z]\b",
)
_JOINED, _SPACED = len(_ENCODINGS), len(_ENCODINGS) + 1
