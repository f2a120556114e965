"""Heads: the one small object of a state file that is ever replaced, and the keys beside it.

    state/<file>/head.json                          which snapshot and log are the newest generation
    state/<file>/<generation>-<nonce>.duckdb        a whole checkpointed file, never changed
    state/<file>/<generation>-<nonce>.wal           everything since that snapshot, never changed
    state/<file>/history/<page>.json                what fell out of the head's own history
    state/<file>/boundary.json                      the oldest generation that pruning has left

Generations of a file are 1, 2, 3 …: each published change makes exactly one. A log only grows until it is folded into the
next snapshot, so the log of a generation is the beginning of every later one over the same snapshot. What was added
lately (`Log.tail`) travels in the head itself; from time to time, and before each fold, the whole log is stored as an object.
A generation's line of history (`Published`), its snapshot and the next stored log are all that it takes to read it again.

There are two forms of the head. Form 1, of earlier releases, names a stored log for each generation. Form 2 has the tail, a
lead and the results of intents. A writer keeps the form that it finds: earlier releases refuse form 2,
so a file gets it when none of them runs any more (`StateFiles.renew`). New files have form 2.
"""

from __future__ import annotations

import json
import logging
import re
import zlib
from base64 import b64decode, b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from threading import Lock
from typing import Any

from cachetools import TTLCache

from agnes.kernel.errors import InvalidError, UnavailableError

FORM = 2
"""Of new heads."""
HISTORY_IN_HEAD = 48
TAIL_GENERATIONS = 32
"""At most so many have their log in the head only, and are lost if the head is."""
INTENT_GENERATIONS = 16
"""An intent that was left at a head so many generations ago is refused. Fewer than a head has lines of."""
PAGE = 32
"""Generations a page of history. Page n holds n*32+1 to n*32+32: it is a function of committed history
alone, so every writer that writes it writes the same bytes, and a lost swap leaves no lie behind."""

_FILE = re.compile(r"[a-z][a-z0-9_]{0,31}")
_RESERVED = frozenset({"main", "temp", "system", "information_schema", "pg_catalog"})

log = logging.getLogger("agnes.state")
_logged: TTLCache[tuple[str, str], bool] = TTLCache(256, 60.0)
"""What was logged a moment ago: what is damaged is met by every request."""
_logging = Lock()


class UnknownStateFile(InvalidError):
    code = "unknown_state_file"

    def __init__(self, file: str) -> None:
        super().__init__(f"there is no state file {file!r}")
        self.file = file


class StateDamaged(UnavailableError):
    """An object of a state file is not what its head says: somebody wrote there by hand, or bytes rotted. 503: what needs
    the file works again once an operator has restored it, and the same request may then be sent again."""

    code = "state_damaged"

    def __init__(self, key: str, reason: str, *, hint: str = "") -> None:
        file = key.split("/")[1] if key.count("/") > 1 else "FILE"
        super().__init__(
            f"{key} is damaged: {reason}",
            hint=hint or f"An operator looks what is left: agnes-local state check {file}.",
        )
        self.key = key
        # Here, and not where it is raised: a part of a page may be left out because of it, and nobody else says so.
        with _logging:
            is_new = (key, reason) not in _logged
            _logged[key, reason] = True
        if is_new:
            log.error("%s is damaged: %s", key, reason)


class HeadTooNew(UnavailableError):
    """A newer release has written the head in a form that this one cannot read."""

    code = "head_too_new"

    def __init__(self, key: str, form: int) -> None:
        super().__init__(
            f"{key} has form {form}, which this release cannot read", hint="Deploy the newer release everywhere."
        )


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
    packed_results: str = ""
    """Of the intents that it carried out; packed, since everybody reads heads and few look into an older line."""
    in_head: bool = False
    """Its log was published in the head: `sha256` and `size` are those of the whole log, which may have no object."""

    @property
    def results(self) -> dict[str, list[list[Any]]]:
        """One a call, by the ids of their intents. Raises ValueError."""
        return dict(json.loads(unpack(self.packed_results))) if self.packed_results else {}

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
    """Everything since the snapshot: a stored object (`key`, `sha256`, `size`; an empty key if none), and what follows it."""

    key: str
    sha256: str
    size: int
    commits: int
    """How many commits it replays."""
    shipped: int
    """Bytes of all logs since the snapshot, this one included; decides when to fold."""
    packed: str = ""
    """The rest, as it is in the head."""

    @property
    def tail(self) -> bytes:
        return unpack(self.packed) if self.packed else b""


@dataclass(frozen=True, slots=True)
class Lead:
    """Somebody carries out everybody's intents for the moment. A courtesy: who ignores it loses work and nothing else."""

    nonce: str
    """New for each swap that says so, so that no two heads ever have the same bytes."""
    until: datetime
    """By the clock of its owner."""
    seconds: float
    """Nobody respects it for longer than so long after seeing it first, whatever the clocks say."""
    is_vacant: bool = False
    """Its time is over, and others wait: one of them takes it, and who comes now leaves an intent at once."""


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
    lead: Lead | None = None
    form: int = FORM

    @property
    def oldest_intent(self) -> int:
        """The generation of the oldest head at which an intent may have been left that is still carried out.

        It only grows, and the results of all intents since are in `history`.
        """
        return max(self.history[0].generation - 1, self.generation - INTENT_GENERATIONS)

    def encode(self) -> bytes:
        body = {
            "generation": self.generation,
            "nonce": self.nonce,
            "schema": dict(self.schema),
            "snapshot": _facts(self.snapshot, _SNAPSHOT),
        }
        body |= self._form_1() if self.form == 1 else self._form_2()
        return json.dumps(body, separators=(",", ":")).encode()

    def _form_1(self) -> dict[str, Any]:
        return {
            "log": _facts(self.log, (*_STORED, *_COUNTS)) if self.log else None,
            "history": encode_lines(self.history),
        }

    def _form_2(self) -> dict[str, Any]:
        """Its history has another name, so that no earlier release takes it for form 1."""
        log, lead = self.log, self.lead
        return {
            "form": FORM,
            "log": _facts(log, _STORED) if log and log.key else None,
            "tail": _facts(log, _TAIL) if log else None,
            "lead": [lead.nonce, lead.until.isoformat(), lead.seconds, lead.is_vacant] if lead else None,
            "lines": encode_lines(self.history),
        }

    @classmethod
    def decode(cls, key: str, body: bytes) -> Head:
        """Raises StateDamaged, HeadTooNew."""
        try:
            raw = json.loads(body)
            form = int(raw.get("form", 1))
            if form > FORM:
                raise HeadTooNew(key, form)
            head = cls(
                generation=int(raw["generation"]),
                nonce=raw["nonce"],
                schema=raw["schema"],
                snapshot=Snapshot(**raw["snapshot"]),
                log=_log_1(raw) if form == 1 else _log_2(raw),
                history=decode_lines(raw["history" if form == 1 else "lines"]),
                lead=_lead(raw.get("lead")),
                form=form,
            )
            newest = head.history[-1]
            if (newest.generation, newest.nonce) != (head.generation, head.nonce):
                raise ValueError(f"the newest line of its history is generation {newest.generation}")
            folder = key.rpartition("/")[0]
            if not all(part.key.startswith(folder) for part in (head.snapshot, head.log) if part and part.key):
                raise ValueError("it names objects of another file")
            return head
        except (ValueError, KeyError, TypeError, IndexError, AttributeError, RecursionError) as error:
            raise StateDamaged(key, f"not a head ({error})") from error


_SNAPSHOT = ("key", "generation", "sha256", "size")
_STORED = ("key", "sha256", "size")
_COUNTS = ("commits", "shipped")
_TAIL = (*_COUNTS, "packed")


def _facts(part: Snapshot | Log, names: tuple[str, ...]) -> dict[str, Any]:
    """As `dataclasses.asdict`, which copies deeply and costs a tenth of a commit."""
    return {name: getattr(part, name) for name in names}


def _log_1(raw: dict[str, Any]) -> Log | None:
    return Log(**raw["log"]) if raw["log"] else None


def _log_2(raw: dict[str, Any]) -> Log | None:
    if raw["tail"] is None:
        return None
    return Log(**(raw["log"] or {"key": "", "sha256": "", "size": 0}), **raw["tail"])


def _lead(raw: list[Any] | None) -> Lead | None:
    return Lead(str(raw[0]), datetime.fromisoformat(raw[1]), float(raw[2]), bool(raw[3])) if raw else None


def pack(tail: bytes) -> str:
    """A log of small changes packs to an eighth, in a quarter of a millisecond for 50 KB."""
    return b64encode(zlib.compress(tail, 1)).decode() if tail else ""


def unpack(packed: str) -> bytes:
    """Raises ValueError."""
    try:
        return zlib.decompress(b64decode(packed, validate=True))
    except zlib.error as error:
        raise ValueError(str(error)) from error


def encode_lines(lines: tuple[Published, ...]) -> list[list[Any]]:
    return [_shortest([getattr(line, name) for name in Published.__slots__]) for line in lines]


def _shortest(values: list[Any]) -> list[Any]:
    """Without the defaults at its end."""
    while not values[-1]:
        values.pop()
    return values


def decode_lines(lines: list[list[Any]]) -> tuple[Published, ...]:
    return tuple(Published(*line) for line in lines)


def encode_page(lines: tuple[Published, ...]) -> bytes:
    return json.dumps({"history": encode_lines(lines)}, separators=(",", ":")).encode()


def decode_page(key: str, body: bytes) -> tuple[Published, ...]:
    try:
        return decode_lines(json.loads(body)["history"])
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise StateDamaged(key, f"not a page of history ({error})") from error
