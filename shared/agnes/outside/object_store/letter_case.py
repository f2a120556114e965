"""Names without capital letters, for file systems that take `A` and `a` for one name, as macOS's and Windows' do.

Keys tell them apart: `^` switches between small and capital letters, `^01hx^.json` is `01HX.json`. A name that would
grow longer than a file's may be is written in small letters with a bit for each character behind `^^`, in hexadecimal.
"""

from __future__ import annotations

SWITCH = "^"  # not a character of keys
LONGEST = 250
"""Characters of a file's name; file systems take 255 bytes."""


def encode(name: str) -> str:
    """`name` without capital letters. Two names never give one."""
    if not any("A" <= c <= "Z" for c in name):
        return name
    written, capital = [], False
    for character in name:
        if character.isalpha() and character.isupper() != capital:
            written.append(SWITCH)
            capital = not capital
        written.append(character.lower())
    if len(written) <= LONGEST:
        return "".join(written)
    bits = "".join("1" if c.isupper() else "0" for c in name)
    return f"{name.lower()}{SWITCH * 2}{int(bits, 2):x}"


def decode(written: str) -> str:
    """The name that `encode` gave; of what it never gives, any."""
    name, is_long, bits = written.partition(SWITCH * 2)
    if is_long:
        try:
            marks = f"{int(bits, 16):0{len(name)}b}"
        except ValueError:
            return written
        return "".join(c.upper() if mark == "1" else c for c, mark in zip(name, marks, strict=False))
    small = written.split(SWITCH)
    return "".join(part.upper() if number % 2 else part for number, part in enumerate(small))
