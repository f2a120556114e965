"""Objects of the lake that are not what was written: how they are recognised, and reported to the run that repairs them.

The ledger has the size and the SHA-256 of each event file and rollup. Who reads one compares them. What differs is never
given to DuckDB: damaged bytes may give other figures, or end the process. A reader that may not repair leaves a note,
`telemetry/damaged/<hash of the key>.json`, for the next run of the extraction (agnes.telemetry.extraction.repair).
"""

from __future__ import annotations

import json
import logging
from collections.abc import Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass
from hashlib import file_digest, sha256
from pathlib import Path

import duckdb

from agnes.kernel.errors import AgnesError, UnavailableError
from agnes.kernel.ports import ANYTHING, ObjectStore
from agnes.telemetry import keys

log = logging.getLogger("agnes.telemetry")

ABSENT, EMPTY, TRUNCATED, CHANGED, UNREADABLE = "absent", "empty", "truncated", "changed", "unreadable"


@dataclass(frozen=True, slots=True)
class Written:
    """What the ledger says of an object."""

    size_bytes: int
    sha256: str | None
    """None: written by a release that noted none, so it has to be read to know."""


class LakeDamaged(UnavailableError):
    """Objects that the ledger names are damaged: `found` says of each key why."""

    code = "lake_damaged"

    def __init__(self, found: Mapping[str, str]) -> None:
        named = ", ".join(sorted({f"{keys.kind_of(key)} of {keys.day_of(key)}" for key in found})[:5])
        super().__init__(
            f"stored usage data is damaged: {named}",
            hint="The next run of telemetry.extract rebuilds it. Try again in ten minutes, or ask an admin to run it now.",
        )
        self.found = dict(found)


def digest(path: Path) -> str:
    with path.open("rb") as file:
        return file_digest(file, "sha256").hexdigest()


def reason(body: bytes | None, written: Written) -> str | None:
    """Why these bytes are not what was written; None: they are, as far as can be known without reading them as parquet."""
    if body is None:
        return ABSENT
    if not body and written.size_bytes:
        return EMPTY
    if len(body) < written.size_bytes:
        return TRUNCATED
    if len(body) != written.size_bytes:
        return CHANGED
    if written.sha256 is not None and sha256(body).hexdigest() != written.sha256:
        return CHANGED
    return None


def is_readable(path: Path) -> bool:
    """Whether DuckDB reads every value of a parquet file."""
    with duckdb.connect(":memory:", config={"threads": 1}) as db, suppress(duckdb.Error):
        db.execute("SELECT sum(hash(f)) FROM read_parquet($path, hive_partitioning = false) f", {"path": str(path)})
        return True
    return False


def report(store: ObjectStore, found: Collection[str] | Mapping[str, str]) -> None:
    """Leave a note of each key, so that the next run looks at it. Never raises."""
    for key in found:
        log.error("%s of %s is damaged: %s", keys.kind_of(key), keys.day_of(key), key, extra={"key": key})
        body = json.dumps({"key": key}).encode()
        with suppress(AgnesError):
            store.write(keys.damage_note(key), body, expect=ANYTHING, content_type="application/json")


def noted(store: ObjectStore, notes: Collection[str]) -> set[str]:
    """The keys that such notes name; one that cannot be read names nothing."""
    found = set()
    for note in notes:
        blob = store.read(note)
        with suppress(ValueError, KeyError, TypeError, RecursionError):
            if blob is not None:
                found.add(str(json.loads(blob.body)["key"]))
    return found
