"""Reading a long session: 50,000 pieces, 500 a part, as an admin's browser asks for them, and the same with 250 subagents.

A part should cost what it shows: the last one about what the first one does, and all of them together about a hundred times one.
Seconds are of CPU time over a store in memory, unpacking included; `cold` is a process that has read nothing of the session before.
"""

from __future__ import annotations

import random
import statistics
import time
from collections.abc import Callable
from datetime import timedelta

from agnes.kernel.ports import ANYTHING
from agnes.outside.object_store.memory import MemoryStore
from agnes.telemetry.drill_down import viewing
from agnes.telemetry.drill_down.conversation import Place, Reading
from agnes.telemetry.keys import transcript_id
from agnes.telemetry.transcripts import packed, stored
from tests.builders.transcripts import START, Text, Transcript

PIECES, AT_ONCE, AGENTS = 50_000, 500, 250
SESSION = "5d2c8a10-0001-4f00-9a00-00000000aaaa"


def run(emit: Callable[..., None]) -> None:
    for name, agents in (("one_file", 0), ("subagents", AGENTS)):
        store, size = _session(agents)
        emit(f"drill_down.{name}.size", size / 1e6, "MB", better="lower", aim=None)
        seconds, cursors, pieces = _all_parts(store)
        assert pieces == PIECES
        emit(f"drill_down.{name}.first_part", seconds[0], "s of CPU time", better="lower", aim=None)
        emit(f"drill_down.{name}.median_part", statistics.median(seconds), "s of CPU time", better="lower", aim=0.1)
        emit(f"drill_down.{name}.dearest_part", max(seconds), "s of CPU time", better="lower", aim=None)
        emit(f"drill_down.{name}.all_parts", sum(seconds), "s of CPU time", better="lower", aim=10)
        cold = _part(_copy(store), cursors[-1])[0]
        emit(f"drill_down.{name}.last_part_cold", cold, "s of CPU time", better="lower", aim=1)


def _session(agents: int) -> tuple[MemoryStore, int]:
    """Half of the pieces in the main file where there are subagents; four of them work at a time."""
    rng = random.Random(6)
    text, store, size = Text(rng), MemoryStore(), 0
    main = PIECES if not agents else PIECES // 2
    files = [(None, START - timedelta(days=1), main)]
    files += [(f"a{n}", START - timedelta(days=1) + timedelta(seconds=25 * n), main // agents) for n in range(agents)]
    for agent_id, at, pieces in files:
        t = Transcript(SESSION, at=at, agent_id=agent_id, rng=rng)
        for _ in range(pieces // 2):
            t.result(t.use("Bash", command=text.cut(60)), text.cut(200))
        body = t.body()
        size += len(body)
        store.write(transcript_id("user", SESSION, agent_id).key, packed.pack(body), expect=ANYTHING)
    return store, size


def _all_parts(store: MemoryStore) -> tuple[list[float], list[str], int]:
    seconds, cursors, pieces, cursor = [], [], 0, ""
    while True:
        took, found = _part(store, cursor)
        seconds.append(took)
        pieces += len(found.pieces)
        if found.next_cursor is None:
            return seconds, cursors, pieces
        cursor = found.next_cursor
        cursors.append(cursor)


def _part(store: MemoryStore, cursor: str):
    after = Place.of_cursor(cursor) if cursor else None
    began = time.process_time()
    files = stored.files(store, "user", SESSION)
    found, _ = viewing.part_of(store, files, after, Reading(after=after, limit=AT_ONCE, files=len(files)))
    return time.process_time() - began, found


def _copy(store: MemoryStore) -> MemoryStore:
    """One that this process has read nothing of."""
    other = MemoryStore()
    for entry in store.list(""):
        other.write(entry.key, store.read(entry.key).body, expect=ANYTHING)
    return other
