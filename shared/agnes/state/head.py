"""Heads: the one small object of a state file that is ever replaced, and the keys beside it.

    state/<file>/head.json                          which snapshot and log are the newest generation
    state/<file>/<generation>-<nonce>.duckdb        a whole checkpointed file, never changed
    state/<file>/<generation>-<nonce>.wal           everything since that snapshot, never changed
    state/<file>/history/<page>.json                what fell out of the head's own history
    state/<file>/boundary.json                      the oldest generation that pruning has left

Generations of a file are 1, 2, 3 … without a gap: each swap of the head makes exactly one, and each
has exactly one immutable object of its own, a snapshot or a log. So a generation's line of history
(`Published`) and the line of its base are all that it takes to read it again.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass

from agnes.kernel.errors import AgnesError, InvalidError

HISTORY_IN_HEAD = 64
PAGE = 32
"""Generations a page of history. Page n holds n*32+1 to n*32+32: it is a function of committed history
alone, so every writer that writes it writes the same bytes, and a lost swap leaves no lie behind."""

_FILE = re.compile(r"[a-z][a-z0-9_]{0,31}")
_RESERVED = frozenset({"main", "temp", "system", "information_schema", "pg_catalog"})


class UnknownStateFile(InvalidError):
    code = "unknown_state_file"

    def __init__(self, file: str) -> None:
        super().__init__(f"there is no state file {file!r}")
        self.file = file


class StateDamaged(AgnesError):
    """An object of a state file is not what its head says: somebody wrote there by hand, or bytes rotted."""

    code = "state_damaged"

    def __init__(self, key: str, reason: str, *, hint: str = "") -> None:
        file = key.split("/")[1] if key.count("/") > 1 else "FILE"
        super().__init__(
            f"{key} is damaged: {reason}",
            hint=hint or f"An operator looks what is left: agnes-local state check {file}.",
        )
        self.key = key


def check_name(file: str) -> str:
    """A name of a file is a schema in SQL and a folder in the store."""
    if not _FILE.fullmatch(file) or file in _RESERVED:
        raise UnknownStateFile(file)
    return file


def head_key(file: str) -> str:
    return f"state/{file}/head.json"


def boundary_key(file: str) -> str:
    return f"state/{file}/boundary.json"


def page_of(generation: int) -> int:
    return (generation - 1) // PAGE


def page_key(file: str, page: int) -> str:
    return f"state/{file}/history/{page:08d}.json"


def generation_of(key: str) -> int | None:
    """The generation that a snapshot's or log's key belongs to, None for any other key."""
    found = re.fullmatch(r"state/[^/]+/(\d{12})-[0-9a-f]+\.(?:duckdb|wal)", key)
    return int(found[1]) if found else None


@dataclass(frozen=True, slots=True)
class Published:
    """One generation: the object that it made. `base` is the generation of its snapshot, its own if it is one."""

    generation: int
    nonce: str
    at: str
    sha256: str
    size: int
    base: int
    schema: Mapping[str, int] | None = None
    """Of a snapshot. A log has the schema of its base, since a migration always makes a snapshot."""

    @property
    def is_snapshot(self) -> bool:
        return self.base == self.generation

    def key(self, file: str) -> str:
        kind = "duckdb" if self.is_snapshot else "wal"
        return f"state/{file}/{self.generation:012d}-{self.nonce}.{kind}"


@dataclass(frozen=True, slots=True)
class Snapshot:
    key: str
    generation: int
    sha256: str
    size: int


@dataclass(frozen=True, slots=True)
class Log:
    key: str
    sha256: str
    size: int
    commits: int
    """How many commits it replays."""
    shipped: int
    """Bytes uploaded as logs since the snapshot, this one included; decides when to fold."""


@dataclass(frozen=True, slots=True)
class Head:
    generation: int
    nonce: str
    schema: Mapping[str, int]
    """Number of the last migration of each series, `common` and the file's own."""
    snapshot: Snapshot
    log: Log | None
    history: tuple[Published, ...]
    """The newest generations, oldest first, this one last."""

    def encode(self) -> bytes:
        body = {
            "generation": self.generation,
            "nonce": self.nonce,
            "schema": dict(self.schema),
            "snapshot": _facts(self.snapshot),
            "log": _facts(self.log) if self.log else None,
            "history": encode_lines(self.history),
        }
        return json.dumps(body, separators=(",", ":")).encode()

    @classmethod
    def decode(cls, key: str, body: bytes) -> Head:
        """Raises StateDamaged."""
        try:
            raw = json.loads(body)
            head = cls(
                generation=int(raw["generation"]),
                nonce=raw["nonce"],
                schema=raw["schema"],
                snapshot=Snapshot(**raw["snapshot"]),
                log=Log(**raw["log"]) if raw["log"] else None,
                history=decode_lines(raw["history"]),
            )
            newest = head.history[-1]
            if (newest.generation, newest.nonce) != (head.generation, head.nonce):
                raise ValueError(f"the newest line of its history is generation {newest.generation}")
            folder = key.rpartition("/")[0]
            if not all(part.key.startswith(folder) for part in (head.snapshot, head.log) if part):
                raise ValueError("it names objects of another file")
            return head
        except (ValueError, KeyError, TypeError, IndexError) as error:
            raise StateDamaged(key, f"not a head ({error})") from error


def _facts(part: Snapshot | Log) -> dict:
    """As `dataclasses.asdict`, which copies deeply and costs a tenth of a commit."""
    return {name: getattr(part, name) for name in part.__slots__}


def encode_lines(lines: tuple[Published, ...]) -> list[list]:
    return [
        [
            line.generation,
            line.nonce,
            line.at,
            line.sha256,
            line.size,
            line.base,
            *([line.schema] if line.schema else []),
        ]
        for line in lines
    ]


def decode_lines(lines: list[list]) -> tuple[Published, ...]:
    return tuple(Published(*line) for line in lines)


def encode_page(lines: tuple[Published, ...]) -> bytes:
    return json.dumps({"history": encode_lines(lines)}, separators=(",", ":")).encode()


def decode_page(key: str, body: bytes) -> tuple[Published, ...]:
    try:
        return decode_lines(json.loads(body)["history"])
    except (ValueError, KeyError, TypeError) as error:
        raise StateDamaged(key, f"not a page of history ({error})") from error
