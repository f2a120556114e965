"""Where standing figures come from: rollups say what was loaded, by people and plugins, and state files what plugins are."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Literal

from agnes.claude_code import listings
from agnes.claude_code.components import KINDS
from agnes.flea import service as flea
from agnes.kernel.ports import ObjectStore
from agnes.kernel.state import Db, State
from agnes.marketplace import browsing
from agnes.telemetry.lake import parts, rollups
from agnes.telemetry.lake.batch import ScratchDatabase
from agnes.telemetry.lake.prices import ALL_TOKENS
from agnes.telemetry.usage.model import Span

TABLES = (rollups.LISTING, rollups.LISTING_SESSION, rollups.LISTING_MODEL, rollups.ITEM_USER_DAILY)

CALLED = (*(row.kind for row in KINDS if row.is_called), "mcp")
"""Kinds of components whose uses are counted. A plugin without one works unasked, and cannot be called unused."""

Key = tuple[str, str, str]
"""(source, marketplace id, plugin); of the flea market the entity's id and served name."""


@dataclass(frozen=True, slots=True)
class Standing:
    """What a plugin cost one person, or everybody, by being loaded. Costs are in dollars; None: none of it has a price."""

    sessions: int = 0
    """In which the client put it before the model."""
    tokens_a_session: int = 0
    """The largest that it was in one conversation."""
    tokens: int = 0
    """Its tokens in every request that had them in its context."""
    cost_usd: float | None = None
    unpriced_tokens: int = 0
    projected_sessions: int = 0
    """Whose client wrote no listing."""
    projected_tokens_a_session: int = 0
    projected_tokens: int = 0
    projected_cost_usd: float | None = None

    @property
    def basis(self) -> Literal["measured", "projected", "both", "none"]:
        if self.sessions:
            return "both" if self.projected_sessions else "measured"
        return "projected" if self.projected_sessions else "none"

    @property
    def total_usd(self) -> float | None:
        """Measured and projected."""
        known = [cost for cost in (self.cost_usd, self.projected_cost_usd) if cost is not None]
        return sum(known) if known else None


@dataclass(frozen=True, slots=True)
class Described:
    """What the state files say of a plugin."""

    title: str
    curator: str = ""
    is_system: bool = False
    is_counted: bool = True
    projected: int = 0
    """Tokens that `claude plugin details` would estimate."""
    created_at: datetime | None = None


@dataclass(slots=True)
class Unlisted:
    """One person's sessions without a listing, on one day."""

    sessions: int = 0
    """Those that began then."""
    requests: int = 0
    token_usd: float | None = None
    """What one token that was in all of these requests cost."""
    unpriced: int = 0


@dataclass(slots=True)
class Measured:
    """What the rollups say of some people."""

    of: dict[tuple[str, Key], Standing] = field(default_factory=dict)
    """(user id, plugin) → without projections."""
    unlisted: dict[str, dict[date, Unlisted]] = field(default_factory=dict)
    sessions: dict[str, int] = field(default_factory=dict)
    """User id → sessions with a response."""
    uses: dict[tuple[str, Key], tuple[int, datetime | None]] = field(default_factory=dict)


def describe(db: Db) -> dict[Key, Described]:
    """Of every plugin that is or was in a catalog, and of every entity of the flea market."""
    found: dict[Key, Described] = {}
    for one in browsing.described(db, CALLED):
        found["curated", one.marketplace_id, one.plugin] = Described(
            one.title or one.plugin,
            one.owner or "",
            one.is_system,
            one.is_counted,
            listings.tokens(one.always_on),
            one.created_at,
        )
    components = flea.components(db)
    for entity in flea.entities(db):
        inside = components.get(entity.id, ())
        found["flea", entity.id, entity.served_name] = Described(
            entity.served_name,
            entity.owner_username or "",
            is_counted=any(kind in CALLED for kind, _ in inside),
            projected=listings.tokens(sum(always_on for _, always_on in inside)),
            created_at=entity.created_at,
        )
    return found


_ENTRIES = """
CREATE TABLE entries AS
SELECT listing, f[1] AS source, f[2] AS marketplace_id, coalesce(n.new_name, f[3]) AS plugin, f[4]::BIGINT AS tokens,
    f[5]::BIGINT AS new
FROM (
    SELECT listing, day, string_split(unnest(string_split(loaded, chr(10))), chr(9)) AS f
    FROM (SELECT listing, loaded, min(day) AS day FROM listing_daily GROUP BY ALL)
) LEFT JOIN renamed n ON f[1] = 'curated' AND n.marketplace_id = f[2] AND n.old_name = f[3]
    AND (n.since IS NULL OR day >= n.since) AND (n.until IS NULL OR day < n.until)
WHERE f[1] <> 'builtin'
"""

_COSTS = f"""
WITH paid AS (
    SELECT user_id, listing, is_new, sum(cost_usd) AS cost, sum({ALL_TOKENS}) AS requests, sum(unpriced_tokens) AS unpriced
    FROM listing_model_daily WHERE listing <> '' GROUP BY ALL
)
SELECT user_id, source, marketplace_id, plugin, sum(requests * part)::BIGINT AS tokens, sum(cost * part) AS cost_usd,
    sum(unpriced * part)::BIGINT AS unpriced, max(size) AS size
FROM (
    SELECT paid.*, source, marketplace_id, plugin, tokens AS size, CASE WHEN is_new THEN new ELSE tokens - new END AS part
    FROM paid JOIN entries USING (listing)
) GROUP BY ALL
"""  # noqa: S608 (fixed parts)

# Sessions by the set of their listings first: most have the same few.
_SESSIONS = """
WITH sets AS (
    SELECT user_id, listings, count(*) AS sessions
    FROM (SELECT user_id, session, list_sort(list(DISTINCT listing)) AS listings FROM listing_session_daily GROUP BY ALL)
    GROUP BY ALL
), has AS (
    SELECT DISTINCT user_id, listings, sessions, source, marketplace_id, plugin
    FROM (SELECT *, unnest(listings) AS listing FROM sets) JOIN entries USING (listing)
)
SELECT user_id, source, marketplace_id, plugin, sum(sessions)::BIGINT FROM has GROUP BY ALL
"""


def measure(state: State, store: ObjectStore, span: Span, user_id: str | None) -> Measured:
    found = Measured()
    with parts.tables(store, state, TABLES, since=span.since, until=span.until) as bench:
        if user_id is not None:
            _only(bench, user_id)
        bench.db.execute(_ENTRIES)
        sessions = {(row[0], tuple(row[1:4])): row[4] for row in bench.db.execute(_SESSIONS).fetchall()}
        for user, *key, tokens, cost_usd, unpriced, size in bench.db.execute(_COSTS).fetchall():
            of = user, tuple(key)
            found.of[of] = Standing(sessions.get(of, 0), size, tokens, cost_usd, unpriced)
        for user, day, count in bench.db.execute(
            """SELECT user_id, day, count(*) FROM (
                SELECT user_id, session, min(day) AS day FROM listing_session_daily WHERE listing = '' GROUP BY ALL
            ) GROUP BY ALL"""
        ).fetchall():
            found.unlisted.setdefault(user, {})[day] = Unlisted(sessions=count)
        for user, day, requests, token_usd, unpriced in bench.db.execute(
            f"SELECT user_id, day, sum({ALL_TOKENS})::BIGINT, sum(cost_usd), sum(unpriced_tokens)::BIGINT "  # noqa: S608
            "FROM listing_model_daily WHERE listing = '' GROUP BY ALL"
        ).fetchall():
            of_day = found.unlisted.setdefault(user, {}).setdefault(day, Unlisted())
            of_day.requests, of_day.token_usd, of_day.unpriced = requests, token_usd, unpriced
        found.sessions = dict(
            bench.db.execute(
                "SELECT user_id, count(DISTINCT session) FROM listing_session_daily GROUP BY ALL"
            ).fetchall()
        )
        for user, *key, uses, last_at in bench.db.execute(
            """SELECT user_id, source, marketplace_id, plugin, sum(invocations)::BIGINT, max(last_at)
            FROM item_user_daily WHERE kind = 'plugin' AND invocations > 0 GROUP BY ALL"""
        ).fetchall():
            found.uses[user, tuple(key)] = uses, last_at
    return found


def _only(bench: ScratchDatabase, user_id: str) -> None:
    for table in ("listing_session_daily", "listing_model_daily", "item_user_daily"):
        bench.db.execute(f"CREATE TABLE mine AS SELECT * FROM {table} WHERE user_id = ?", [user_id])  # noqa: S608
        bench.db.execute(f"DROP VIEW {table}")
        bench.db.execute(f"ALTER TABLE mine RENAME TO {table}")


def total(costs: Iterable[float | None]) -> float | None:
    known = [cost for cost in costs if cost is not None]
    return sum(known) if known else None
