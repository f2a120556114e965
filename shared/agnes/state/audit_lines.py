"""Lines of the audit on their way into a state file: recorded while changes run, written at the end of their transaction.

Writing them together costs one look at the chain's head and one INSERT for all changes of a generation.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from agnes.kernel import chain
from agnes.kernel.chain import ChainHead
from agnes.kernel.ids import new_ulid
from agnes.kernel.state import Actor, Change, Db, one_row

Line = dict[str, Any]
CHAINED_SINCE = 2
"""The common migration that brings the chain."""
_COLUMNS = (
    "at", "id", "user_id", "email", "action", "resource", "params", "before", "result", "duration_ms", "client_ip",
    "client_kind", "request_id",
)  # fmt: skip
_ROWS_AT_ONCE = 100
_PLACE = ("seq", "previous", "digest")


class Book:
    """The audit of one state file, as its schema has it. Remembers where the chain ends in a working copy, so that a commit
    of a warm writer reads nothing for it."""

    def __init__(self, file: str, *, is_chained: bool) -> None:
        self._file = file
        self._is_chained = is_chained
        self._copy: object = None
        self._head: ChainHead | None = None

    def write(self, copy: object, db: Db, lines: Sequence[Line]) -> ChainHead | None:
        """In the open transaction, after everything else of it; where the chain ends then. Tell it to `committed`."""
        if not lines or not self._is_chained:
            self._insert(db, _COLUMNS, [[line[name] for name in _COLUMNS] for line in lines])
            return None
        head = self._head if self._copy is copy and self._head else self._end(db)
        links, head = chain.chained(self._file, head, lines)
        rows = [
            [*(line[name] for name in _COLUMNS), link.seq, link.previous, link.digest]
            for line, link in zip(lines, links, strict=True)
        ]
        self._insert(db, (*_COLUMNS, *_PLACE), rows)
        return head

    def committed(self, copy: object, head: ChainHead | None) -> None:
        """The transaction of `write` was committed to this working copy."""
        if head is not None:
            self._copy, self._head = copy, head

    def _end(self, db: Db) -> ChainHead:
        """By the newest line, or by `audit_heads`, where `audit.archive` notes it before it removes lines."""
        seq, digest = one_row(
            db,
            f"""SELECT max(seq), arg_max(digest, seq) FROM (SELECT seq, digest FROM {self._file}.audit
            UNION ALL SELECT seq, digest FROM {self._file}.audit_heads WHERE chain = ?)""",  # noqa: S608 (checked)
            [self._file],
        )
        return ChainHead(seq, digest) if seq else ChainHead()

    def _insert(self, db: Db, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
        names = ", ".join(f'"{name}"' for name in columns)
        row = f"({', '.join('?' * len(columns))})"
        for start in range(0, len(rows), _ROWS_AT_ONCE):
            some = rows[start : start + _ROWS_AT_ONCE]
            db.execute(
                f"INSERT INTO {self._file}.audit ({names}) VALUES {', '.join([row] * len(some))}",  # noqa: S608 (checked)
                [value for values in some for value in values],
            )


def line_of(change: Change, actor: Actor, now: datetime, duration_ms: float) -> Line:
    return {
        "at": now,
        "id": new_ulid(now),
        "user_id": actor.user_id,
        "email": actor.email,
        "action": change.action,
        "resource": change.resource,
        "params": json.dumps(change.params, default=str),
        "before": None if change.before is None else json.dumps(change.before, default=str),
        "result": "ok",
        "duration_ms": duration_ms,
        "client_ip": actor.client_ip,
        "client_kind": actor.client_kind,
        "request_id": actor.request_id,
    }
