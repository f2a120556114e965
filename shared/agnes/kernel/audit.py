"""Lines of the audit that belong to no commit: a read that must be told of, an upload, a refusal.

    audit/<action>/day=YYYY-MM-DD/<ulid>.json       one small object, written before the answer

It holds the columns of the audit tables. A change of a state file records its line in its own transaction instead
(`Tx.record`). The domain `audit` reads both, and folds the objects into parquet (docs/state.md, Audit).

The ULID is of the line's minute: who looks for lines of a span of time leaves the other objects unread.
"""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import asdict
from datetime import datetime, timedelta
from weakref import WeakKeyDictionary

from ulid import ULID

from agnes.kernel.ids import new_ulid
from agnes.kernel.ports import ABSENT, ObjectStore, PreconditionFailed
from agnes.kernel.state import CURRENT_ACTOR, Change

PREFIX = "audit/"
ONCE = timedelta(seconds=60)
_REMEMBERED = 1000
RESULT = re.compile(r"ok|error\.[a-z][a-z0-9_]*")

_told: WeakKeyDictionary[ObjectStore, dict[str, datetime]] = WeakKeyDictionary()


def record(store: ObjectStore, change: Change, *, now: datetime, result: str = "ok", duration_ms: float = 0.0) -> None:
    """Write a line down. `result` is `ok`, or `error.<code>` with the code of the error. Raises UnavailableError; then the caller
    must not answer."""
    if not RESULT.fullmatch(result):
        raise ValueError(f"{result!r} is no result of the audit: ok, or error.<code>")
    id = new_ulid(now)  # noqa: A001 (the column's name)
    body = _line(change, id, now=now, result=result, duration_ms=duration_ms)
    store.write(_key(change.action, now, id), body, expect=ABSENT, content_type="application/json")


def record_once(store: ObjectStore, change: Change, *, now: datetime) -> bool:
    """As `record`, but one line at most for the same actor, action, resource and params within 60 seconds; whether it
    was written now. Holds for all processes: the object of a minute can be made once, whoever makes it."""
    said = json.dumps(
        [CURRENT_ACTOR.get().user_id, change.action, change.resource, change.params], sort_keys=True, default=str
    )
    digest = hashlib.sha256(said.encode()).digest()[:10]
    told = _told.setdefault(store, {})
    if now - told.get(said, now - ONCE) < ONCE:
        return False
    minute = now.replace(second=0, microsecond=0)
    before = minute - ONCE
    earlier = store.read(_key(change.action, before, _id_of_minute(before, digest)))
    if earlier is not None and (at := _at(earlier.body)) is not None and now - at < ONCE:
        told[said] = at
        return False
    id = _id_of_minute(minute, digest)  # noqa: A001
    if len(told) >= _REMEMBERED:
        told.clear()
    told[said] = now
    try:
        body = _line(change, id, now=now)
        store.write(_key(change.action, now, id), body, expect=ABSENT, content_type="application/json")
    except PreconditionFailed:
        return False  # another process, within this minute
    except Exception:
        told.pop(said, None)
        raise
    return True


def _at(line: bytes) -> datetime | None:
    try:
        found = datetime.fromisoformat(json.loads(line)["at"])
        return found if found.tzinfo else None
    except (ValueError, KeyError, TypeError, RecursionError):
        return None


def _key(action: str, at: datetime, id: str) -> str:
    return f"{PREFIX}{re.sub(r'[^a-z0-9]+', '_', action)}/day={at:%Y-%m-%d}/{id}.json"


def _id_of_minute(minute: datetime, digest: bytes) -> str:
    return str(ULID.from_bytes(int(minute.timestamp() * 1000).to_bytes(6, "big") + digest)).lower()


def _line(change: Change, id: str, *, now: datetime, result: str = "ok", duration_ms: float = 0.0) -> bytes:
    row = {
        "at": now.isoformat(),
        "id": id,
        **asdict(CURRENT_ACTOR.get()),
        "action": change.action,
        "resource": change.resource,
        "params": change.params,
        "before": change.before,
        "result": result,
        "duration_ms": duration_ms,
    }
    return json.dumps(row, default=str).encode()
