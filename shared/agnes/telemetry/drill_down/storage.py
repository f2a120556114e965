"""What is stored of people, beside what may be: of one, and of those with the most sessions."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from pydantic import BaseModel, ConfigDict, Field

from agnes.accounts import directory
from agnes.kernel.ports import Clock, ObjectStore
from agnes.kernel.state import State
from agnes.telemetry import keys
from agnes.telemetry.model import FILE
from agnes.telemetry.transcripts import quotas
from agnes.telemetry.transcripts.quotas import Limits, Storage

_READS_AT_ONCE = 8


class StorageQuery(BaseModel):
    model_config = ConfigDict(extra="forbid")

    limit: int = Field(50, ge=1, le=200)
    offset: int = Field(0, ge=0, le=1_000_000)


@dataclass(frozen=True, slots=True)
class PersonStorage:
    user_id: str
    user_email: str | None
    """None: the account is gone."""
    storage: Storage


@dataclass(frozen=True, slots=True)
class StorageList:
    people: tuple[PersonStorage, ...]
    """Those with the most extracted sessions first."""
    total: int
    next_offset: int | None


def of_user(store: ObjectStore, user_id: str, limits: Limits, *, clock: Clock) -> Storage:
    """Raises BadRequestError, UnavailableError."""
    return quotas.storage(store, keys.user(user_id), limits, now=clock.now())


def listed(state: State, store: ObjectStore, query: StorageQuery, limits: Limits, *, clock: Clock) -> StorageList:
    """Everybody of whom there is a session, or who has an account. Raises UnavailableError."""
    with state.read(FILE, "people") as db:
        rows = db.execute(
            f"""SELECT coalesce(u.id, s.user_id) AS id, u.email, count(*) OVER () FROM {directory.RELATION} u
            FULL JOIN (SELECT user_id, count(*) AS sessions FROM telemetry.sessions GROUP BY user_id) s ON s.user_id = u.id
            ORDER BY s.sessions DESC NULLS LAST, u.email, id LIMIT $limit OFFSET $offset""",  # noqa: S608 (fixed parts)
            {"limit": query.limit, "offset": query.offset},
        ).fetchall()
    now = clock.now()
    with ThreadPoolExecutor(_READS_AT_ONCE) as pool:
        found = list(pool.map(lambda row: quotas.storage(store, row[0], limits, now=now), rows))
    people = tuple(PersonStorage(row[0], row[1], one) for row, one in zip(rows, found, strict=True))
    total = rows[0][2] if rows else 0
    end = query.offset + len(rows)
    return StorageList(people, total, end if end < total else None)
