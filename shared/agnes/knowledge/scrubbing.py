"""Secrets and personal data out of a text, by rules and before anybody else reads it: a model, a colleague, the store.

Patterns first, each place replaced by a word that says what was there; then detect-secrets over every line that could hold a
secret, and a line in which it still finds one is left out whole. What cannot be scanned is not used (`ScanFailed`).
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

from agnes.kernel.errors import BadRequestError, UnavailableError
from agnes.kernel.scanning import Scanners

MAX_PLACES = 10_000
"""Of one pattern in one text; a text with more is refused."""
MAX_LINE = 4_000
"""Characters of a line that detect-secrets looks at; a longer one is looked at in parts."""
_OVERLAP = 200


class ScanFailed(UnavailableError):
    """The scanner did not answer, so nothing of the text may be used."""

    code = "scan_failed"

    def __init__(self, reason: str) -> None:
        super().__init__(f"a text could not be scanned for secrets: {reason}", hint="It is tried again by itself.")


class HoldsSecret(BadRequestError):
    """A text that somebody proposes holds what must not be shared."""

    code = "holds_secret"

    def __init__(self, field: str, kinds: list[str]) -> None:
        super().__init__(
            f"the {field} holds {', '.join(kinds)}",
            hint="Take it out, and write where it is found instead.",
            errors=[{"field": field, "reason": f"holds {kind}"} for kind in kinds],
        )


@dataclass(frozen=True, slots=True)
class Scrubbed:
    text: str
    removed: dict[str, int]
    """What was taken out → how many places; empty if nothing was."""


def _is_always(_: str) -> bool:
    return True


def _is_drawn(word: str) -> bool:
    """Whether a long word looks random: letters of both cases and several digits, or many hexadecimal digits."""
    word = word.strip("=-_/+")
    if len(word) < 24:
        return False
    if re.fullmatch(r"[0-9a-fA-F]{32,}", word):
        return True
    digits = sum(character.isdigit() for character in word)
    mixed = any(character.islower() for character in word) and any(character.isupper() for character in word)
    return mixed and digits >= 3 and _entropy(word) >= 3.7


def _entropy(word: str) -> float:
    counts = Counter(word)
    return -sum(n / len(word) * math.log2(n / len(word)) for n in counts.values())


def _is_card(text: str) -> bool:
    """By the check digit of Luhn."""
    digits = [int(character) for character in text if character.isdigit()]
    if not 13 <= len(digits) <= 19:
        return False
    doubled = [digit if place % 2 == 0 else sum(divmod(2 * digit, 10)) for place, digit in enumerate(reversed(digits))]
    return sum(doubled) % 10 == 0


def _is_iban(text: str) -> bool:
    """By its check digits (ISO 13616): modulo 97 is 1."""
    plain = re.sub(r"\s", "", text).upper()
    if not 15 <= len(plain) <= 34:
        return False
    moved = plain[4:] + plain[:4]
    return int("".join(str(int(character, 36)) for character in moved)) % 97 == 1


def _is_address(text: str) -> bool:
    """An IPv4 address that is none of documentation or this machine; versions such as 10.2.1.0 look the same, and go too."""
    parts = text.split(".")
    return all(int(part) <= 255 for part in parts) and text not in ("0.0.0.0", "127.0.0.1")  # noqa: S104 (compared)


def _is_assigned(text: str) -> bool:
    """Whether what follows a word such as `password` is a value, not a word of a sentence."""
    value = re.split(r"[:=]|\bis\b", text, maxsplit=1)[-1].strip().strip("\"'`")
    has_digit = any(character.isdigit() for character in value)
    has_other = any(not character.isalnum() for character in value)
    return len(value) >= 6 and (has_digit or (has_other and not re.fullmatch(r"[\w.-]+[.,!?]?", value)))


@dataclass(frozen=True, slots=True)
class _Pattern:
    kind: str
    shown: str
    pattern: str
    """In RE2's syntax, over bytes."""
    holds: Callable[[str], bool] = _is_always


_PATTERNS = (
    _Pattern(
        "a private key",
        "[private key]",
        r"-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY[A-Z ]{0,10}-----(?s:.*?)(?:-----END [A-Z0-9 ]{0,40}PRIVATE KEY[A-Z ]{0,10}-----|\z)",
    ),
    _Pattern(
        "a token",
        "[secret]",
        r"\b(?:sk-[A-Za-z0-9_-]{16,}|gh[pousr]_[A-Za-z0-9]{20,}|github_pat_[A-Za-z0-9_]{20,}|glpat-[A-Za-z0-9_-]{16,}"
        r"|xox[abeoprs]-[A-Za-z0-9-]{10,}|A(?:KIA|SIA|ROA|IDA)[0-9A-Z]{16}|AIza[A-Za-z0-9_-]{30,}|ya29\.[A-Za-z0-9_-]{20,}"
        r"|hf_[A-Za-z0-9]{30,}|npm_[A-Za-z0-9]{30,}|pypi-[A-Za-z0-9_-]{40,}|dop_v1_[a-f0-9]{40,}|dapi[a-f0-9]{32}"
        r"|SG\.[A-Za-z0-9_-]{16,}\.[A-Za-z0-9_-]{16,}|[rsp]k_(?:live|test)_[A-Za-z0-9]{16,}|shp(?:at|ca|pa|ss)_[a-fA-F0-9]{32}"
        r"|ag[a-z]_[A-Za-z0-9._-]{16,}|ATATT3[A-Za-z0-9_=-]{40,}|lin_api_[A-Za-z0-9]{30,}|ntn_[A-Za-z0-9]{30,}"
        r"|eyJ[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]*|AGE-SECRET-KEY-1[A-Z0-9]{40,})",
    ),
    _Pattern("a password in an address", "[address with a password]", r"\b[A-Za-z][A-Za-z0-9+.-]{1,20}://[^\s/@:]{0,100}:[^\s@/]{1,200}@[^\s]{1,300}"),
    _Pattern("a credential", "[secret]", r"(?i)\b(?:bearer|basic)\s+[A-Za-z0-9._~+/=-]{16,}"),
    _Pattern(
        "a password",
        "[secret]",
        r"(?i)\b[A-Za-z0-9_-]{0,40}(?:password|passwd|passphrase|pwd|secret|token|api[_-]?key|access[_-]?key|credentials?|passwort|kennwort)[\"'`]?"
        r"\s{0,3}(?:[:=]|\bis\b)\s{0,3}[\"'`]?[^\s\"'`,;]{6,200}",
        _is_assigned,
    ),
    _Pattern("an e-mail address", "[e-mail]", r"[A-Za-z0-9._%+-]{1,64}@[A-Za-z0-9-]{1,63}(?:\.[A-Za-z0-9-]{1,63}){1,5}"),
    _Pattern("an IBAN", "[IBAN]", r"\b[A-Z]{2}[0-9]{2}(?: ?[A-Z0-9]{4}){2,7}(?: ?[A-Z0-9]{1,3})?\b", _is_iban),
    _Pattern("a card number", "[card number]", r"\b[0-9](?:[ -]?[0-9]){12,18}\b", _is_card),
    _Pattern("an identity number", "[identity number]", r"\b[0-9]{3}-[0-9]{2}-[0-9]{4}\b"),
    _Pattern(
        "a telephone number",
        "[telephone]",
        r"\+[1-9](?:[ ().-]{0,2}[0-9]){7,14}\b|\(?\b[0-9]{3}\)?[ .-][0-9]{3}[ .-][0-9]{4}\b|\b0[0-9]{2,4}[ /-][0-9]{3,}(?:[ -]?[0-9]{2,}){0,3}\b",
    ),
    _Pattern("an IP address", "[IP address]", r"\b[0-9]{1,3}(?:\.[0-9]{1,3}){3}\b", _is_address),
    _Pattern("a person's folder", "[home]", r"(?:/home/|/Users/|[A-Za-z]:\\Users\\)[^/\\\s:\"'`]{1,64}"),
    _Pattern("what looks like a secret", "[secret]", r"[A-Za-z0-9+/_=-]{24,}", _is_drawn),
)  # fmt: skip
"""Longer ones first: what one has replaced is not looked at by the next."""

_SUSPECT = re.compile(r"[A-Za-z0-9+/_=-]{16}|pass|secret|token|key|credential|://", re.IGNORECASE)
"""Of lines that detect-secrets is shown: every one of its forms has sixteen such characters or one of these words."""


def scrub(text: str, scanners: Scanners) -> Scrubbed:
    """The text without secrets and personal data. Raises ScanFailed."""
    if not text:
        return Scrubbed(text, {})
    try:
        return _scrub(text, scanners)
    except ScanFailed:
        raise
    except Exception as error:
        raise ScanFailed(type(error).__name__) from error


def _scrub(text: str, scanners: Scanners) -> Scrubbed:
    removed: Counter[str] = Counter()
    compiled = scanners.patterns.compile([one.pattern for one in _PATTERNS])
    body = text.encode("utf-8", "replace")
    for number in compiled.present(body):
        one = _PATTERNS[number]
        places = compiled.spans(number, body, MAX_PLACES)
        if len(places) >= MAX_PLACES:
            raise ScanFailed("too many places look like secrets")
        parts, end = [], 0
        for begin, stop in places:
            if one.holds(body[begin:stop].decode("utf-8", "replace")):
                parts += [body[end:begin], one.shown.encode()]
                end = stop
                removed[one.kind] += 1
        if parts:
            body = b"".join([*parts, body[end:]])
    clean = body.decode("utf-8", "replace")
    lines = clean.split("\n")
    for place, line in enumerate(lines):
        if _SUSPECT.search(line) and _holds_secret(line, scanners):
            lines[place] = "[line with a secret]"
            removed["a secret"] += 1
    return Scrubbed("\n".join(lines), dict(removed))


def _holds_secret(line: str, scanners: Scanners) -> bool:
    step = MAX_LINE - _OVERLAP
    return any(scanners.secrets.secrets(line[at : at + MAX_LINE]) for at in range(0, max(1, len(line)), step))


def refuse_secrets(scanners: Scanners, **texts: str) -> None:
    """Raises HoldsSecret for the first of these texts that holds something, ScanFailed."""
    for name, text in texts.items():
        if removed := scrub(text, scanners).removed:
            raise HoldsSecret(name, sorted(removed))
