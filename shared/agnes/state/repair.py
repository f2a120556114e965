"""Repair: what can still be read of a damaged state file, and the newest generation that verifies.

For operators: it reads whole generations, from the newest to the oldest, until one holds. A head names the digests of
its objects. Without a head the objects are found by their names, and DuckDB's own checksums say whether they hold: every
table is read. Of several objects of one generation all but one were left by writers that lost; the history's pages say
which, where there are any.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, suppress
from dataclasses import dataclass, replace

import duckdb

from agnes.kernel.ports import Blob, Entry, ObjectStore, Version
from agnes.kernel.state import Db
from agnes.state.engine import DatabaseUnreadable, Engine
from agnes.state.head import (
    TAIL_GENERATIONS,
    Head,
    Log,
    Published,
    Snapshot,
    StateDamaged,
    decode_page,
    generation_of,
    head_key,
)
from agnes.state.material import Material, MaterialGone
from agnes.state.pointer import Known

BASES = 3
"""Snapshots before a log that are tried as its base, where no history names it."""


@dataclass(frozen=True, slots=True)
class Checked:
    """What a check found."""

    file: str
    generation: int
    """The newest that anything tells of; 0 if the file was never written."""
    problem: str
    """Why the newest generation cannot be used; empty if it can."""
    sound: Head | None
    """The newest generation that verifies."""
    sound_at: str
    """When it was made, ISO 8601."""
    head_version: Version | None
    """Of the head as it is in the store, damaged or not; None if there is none."""
    is_head_readable: bool

    @property
    def lost(self) -> int:
        """Generations after the newest that verifies."""
        return self.generation - (self.sound.generation if self.sound else 0)


def require_new(store: ObjectStore, file: str) -> None:
    """Raise StateDamaged where a file without a head is not a new one: an empty file would take its place.

    A first writer that was killed before its swap leaves objects of generation 1 only.
    """
    newest = max((generation_of(entry.key) or 0 for entry in store.list(f"state/{file}/0")), default=0)
    # Others may have made the first generations since the head was asked for; then the swap is lost to them.
    if newest > 1 and store.read(head_key(file)) is None:
        raise StateDamaged(
            head_key(file),
            f"it is missing beside generations up to {newest}",
            hint=f"Look what is left: agnes-local state check {file}. Then: agnes-local state rebuild-head {file}.",
        )


def check(
    store: ObjectStore, file: str, *, material: Material, new_engine: Callable[[], Engine], schema: Mapping[str, int]
) -> Checked:
    """Read the newest generation whole, and older ones if it does not hold.

    Damaged bytes can break an engine for good, so each generation gets one of its own. `schema` is assumed of
    generations whose own was lost with the head.
    """
    blob = store.read(head_key(file))
    version = blob.version if blob is not None else None
    head, problem = None, ""
    if blob is not None:
        try:
            head = Head.decode(head_key(file), blob.body)
        except StateDamaged as damaged:
            problem = damaged.message
    objects = list(store.list(f"state/{file}/"))
    newest = max([head.generation if head else 0, *(generation_of(entry.key) or 0 for entry in objects)])
    if head is None and newest == 0:
        return Checked(file, 0, problem, None, "", version, is_head_readable=not problem)
    if head is None and not problem:
        problem = f"{head_key(file)} is missing"
    if head is not None:
        newest = head.generation  # what is beyond it was never published
        problem = _stored_problem(store, head)
        if not (found := _problem(head, material, new_engine)):
            # Where the store has it damaged, this machine still has what it fetched before: restoring writes that.
            return Checked(file, newest, problem, head, head.history[-1].at, version, is_head_readable=True)
        problem = problem or found
    lines = _lines(store, objects, head)
    schemas = {line.generation: line.schema for line in lines.values() if line.schema}
    for candidate, entry in _candidates(file, objects, lines, newest, store):
        if head is not None and candidate.generation == head.generation:
            continue
        known = [generation for generation in schemas if generation <= candidate.generation]
        whole = replace(candidate, schema=schemas[max(known)] if known else schema)
        if not _problem(whole, material, new_engine):
            line = lines.get(candidate.generation)
            at = line.at if line else entry.modified_at.isoformat()
            return Checked(file, newest, problem, whole, at, version, is_head_readable=head is not None)
    return Checked(file, newest, problem, None, "", version, is_head_readable=head is not None)


def stand_in(checked: Checked) -> Known:
    """What a publisher takes for the head that is missing, so that the next generation is newer than all before.

    The newest may have been in the head only; processes remember them, and their numbers are not used again.
    """
    assert checked.sound is not None
    generation = checked.generation + TAIL_GENERATIONS
    head = replace(checked.sound, generation=generation, nonce="0" * 16, log=None, history=())
    return Known(head, checked.head_version)


def _stored_problem(store: ObjectStore, head: Head) -> str:
    """Why an object that the head names is not what it was, in the store itself; empty if all are. A process reads snapshots
    from its machine's cache, so it may not notice."""
    for part in (head.snapshot, head.log):
        if part is None or not part.key:
            continue
        found = store.read(part.key)
        if not isinstance(found, Blob):
            return f"{part.key} is missing, and the head names it"
        if hashlib.sha256(found.body).hexdigest() != part.sha256:
            return f"{part.key} is damaged: its sha256 is not the one in the head"
    return ""


def _problem(head: Head, material: Material, new_engine: Callable[[], Engine]) -> str:
    """Why a generation cannot be read; empty if it can."""
    file = head.snapshot.key.split("/")[1]
    try:
        snapshot, log = material.of(head)
    except (StateDamaged, MaterialGone) as damaged:
        return damaged.message
    with closing(new_engine()) as engine:
        try:
            copy = engine.attach(file, snapshot, log)
            with engine.reading([copy]) as db:
                _read_all(db, file)
            copy.close()
        except (DatabaseUnreadable, duckdb.Error) as damaged:
            material.forget(head)
            return f"{head.snapshot.key}: {str(damaged).partition(chr(10))[0]}"
    return ""


def _read_all(db: Db, file: str) -> None:
    """Read every block of every table, so that DuckDB looks at all checksums."""
    tables = db.execute("SELECT DISTINCT table_name FROM duckdb_tables() WHERE schema_name = ?", [file]).fetchall()
    for (table,) in tables:
        db.execute(f'SELECT max(hash(t)) FROM "{table}" t').fetchone()  # noqa: S608 (a name of its own catalogue)


def _lines(store: ObjectStore, objects: list[Entry], head: Head | None) -> dict[int, Published]:
    """The lines of history that can be read, by generation."""
    found: dict[int, Published] = {}
    for entry in objects:
        if "/history/" in entry.key and isinstance(page := store.read(entry.key), Blob):
            with suppress(StateDamaged):
                found |= {line.generation: line for line in decode_page(entry.key, page.body)}
    return found | {line.generation: line for line in (head.history if head else ())}


def _candidates(
    file: str, objects: list[Entry], lines: Mapping[int, Published], newest: int, store: ObjectStore
) -> Iterator[tuple[Head, Entry]]:
    """Generations that may be whole, newest first, each with the object that it made."""
    by_generation: dict[int, list[Entry]] = defaultdict(list)
    for entry in objects:
        generation = generation_of(entry.key)
        if generation is not None and generation <= newest:
            line = lines.get(generation)
            if line is None or line.key(file) == entry.key:
                by_generation[generation].append(entry)
    snapshots = [
        entry
        for generation in sorted(by_generation, reverse=True)
        for entry in by_generation[generation]
        if entry.key.endswith(".duckdb")
    ]
    for generation in sorted(by_generation, reverse=True):
        for entry in by_generation[generation]:
            nonce = entry.key.rpartition("-")[2].partition(".")[0]
            if entry.key.endswith(".duckdb"):
                if snapshot := _snapshot(store, entry, lines):
                    yield Head(generation, nonce, {}, snapshot, None, ()), entry
                continue
            line = lines.get(generation)
            bases = [
                base
                for base in snapshots
                if (generation_of(base.key) == line.base if line else (generation_of(base.key) or 0) < generation)
            ]
            log = _part(store, entry, line)
            for base in bases[:BASES]:
                if log and (snapshot := _snapshot(store, base, lines)):
                    yield Head(generation, nonce, {}, snapshot, Log(entry.key, *log, 0, 0), ()), entry


def _snapshot(store: ObjectStore, entry: Entry, lines: Mapping[int, Published]) -> Snapshot | None:
    generation = generation_of(entry.key) or 0
    part = _part(store, entry, lines.get(generation))
    return Snapshot(entry.key, generation, *part) if part else None


def _part(store: ObjectStore, entry: Entry, line: Published | None) -> tuple[str, int] | None:
    """Digest and size of an object: what its line says, else what it has; None if it has gone."""
    if line is not None:
        return line.sha256, line.size
    found = store.read(entry.key)
    return (hashlib.sha256(found.body).hexdigest(), len(found.body)) if found is not None else None
