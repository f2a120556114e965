"""What of a conversation the model is shown: turns of the person that are new, and what Claude said beside them.

Turns are scrubbed before they are packed. A chunk is a list of numbered turns within a number of tokens; each begins with the last turns
of the one before, as context, of which nothing is reported again.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from agnes.kernel.scanning import Scanners
from agnes.knowledge import scrubbing
from agnes.knowledge.conversation import ASSISTANT, USER, Turn

BYTES_A_TOKEN = 3.0
"""Of text, at least: tokens are estimated, never too low for prose and code."""
CHUNK_TOKENS = 6_000
OVERLAP_TURNS = 2
HEAD, TAIL = 300, 900
"""Characters of the beginning and the end of what Claude said; its middle says least about what a person answers to."""
MAX_CHUNKS = 40
"""That one reading sends; what is behind them is read by the next run."""


@dataclass(frozen=True, slots=True)
class Shown:
    """A turn in a chunk."""

    role: str
    text: str
    uuid: str
    mark: str
    is_new: bool
    """Facts may be reported of it: a person's turn that no chunk before held as new."""


@dataclass(frozen=True, slots=True)
class Chunk:
    turns: tuple[Shown, ...]

    @property
    def marks(self) -> tuple[str, ...]:
        """Of the new turns."""
        return tuple(turn.mark for turn in self.turns if turn.is_new)


def tokens(text: str) -> int:
    return math.ceil(len(text.encode("utf-8", "replace")) / BYTES_A_TOKEN)


def pack(
    turns: Sequence[Turn], known: Collection[str], scanners: Scanners, *, chunk_tokens: int = CHUNK_TOKENS
) -> list[Chunk]:
    """Chunks of the turns that are not `known` by their marks. Raises ScanFailed."""
    wanted = _wanted(turns, known)
    shown = [
        Shown(turn.role, text, turn.uuid, turn.mark, turn.role == USER and turn.mark not in known)
        for number, turn in enumerate(turns)
        if number in wanted and (text := _scrubbed(turn, scanners))
    ]
    chunks: list[Chunk] = []
    begun: list[Shown] = []
    size = 0
    for turn in shown:
        cost = tokens(turn.text) + 12
        if begun and size + cost > chunk_tokens and any(one.is_new for one in begun):
            chunks.append(Chunk(tuple(begun)))
            begun = [_as_context(one) for one in begun[-OVERLAP_TURNS:]]
            size = sum(tokens(one.text) + 12 for one in begun)
        begun.append(turn)
        size += cost
    if any(one.is_new for one in begun):
        chunks.append(Chunk(tuple(begun)))
    return chunks


def _wanted(turns: Sequence[Turn], known: Collection[str]) -> set[int]:
    """New turns of the person, what Claude said before and after each, and the person's turn before that."""
    wanted: set[int] = set()
    for number, turn in enumerate(turns):
        if turn.role == USER and turn.mark not in known:
            wanted |= {number, number + 1, number - 1, number - 2}
    return {number for number in wanted if 0 <= number < len(turns)}


def _scrubbed(turn: Turn, scanners: Scanners) -> str:
    """Scrubbed whole, then cut: a secret that is cut in two would be none any more."""
    text = scrubbing.scrub(turn.text, scanners).text
    if turn.role == ASSISTANT and len(text) > HEAD + TAIL + 20:
        text = f"{text[:HEAD]}\n[…]\n{text[-TAIL:]}"
    return text.strip()


def _as_context(turn: Shown) -> Shown:
    return Shown(turn.role, turn.text, turn.uuid, turn.mark, is_new=False)
