"""The ledger: what was extracted from which version of which transcript. Rows in, rows out; SQL stays here."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any

import msgspec

from agnes.kernel.errors import ConflictError
from agnes.kernel.state import Db, Tx, one_number, one_row
from agnes.telemetry.keys import SessionId, TranscriptId
from agnes.telemetry.lake.damage import Written
from agnes.telemetry.lake.renames import Renamed
from agnes.telemetry.model import BILLED

SESSION_COLUMNS = {
    "user_id": "VARCHAR",
    "session_id": "VARCHAR",
    "generation": "VARCHAR",
    "days": "DATE[]",
    "events": "BIGINT",
    "processor_version": "INTEGER",
    "extracted_at": "TIMESTAMPTZ",
    "started_at": "TIMESTAMPTZ",
    "ended_at": "TIMESTAMPTZ",
    "wall_seconds": "DOUBLE",
    "active_seconds": "DOUBLE",
    "user_messages": "BIGINT",
    "assistant_messages": "BIGINT",
    "tool_calls": "BIGINT",
    "tool_errors": "BIGINT",
    "skill_invocations": "BIGINT",
    "subagent_dispatches": "BIGINT",
    "mcp_calls": "BIGINT",
    "slash_commands": "BIGINT",
    "distinct_tools": "BIGINT",
    "distinct_skills": "BIGINT",
    "folders": "BIGINT[]",
    "primary_model": "VARCHAR",
    **dict.fromkeys(BILLED, "BIGINT"),
    "list_cost_usd": "DOUBLE",
    "unpriced_tokens": "BIGINT",
    "client_cost_usd": "DOUBLE",
    "bill_status": "VARCHAR",
    "price_mismatches": "VARCHAR[]",
}
TRANSCRIPT_COLUMNS = {
    "user_id": "VARCHAR",
    "session_id": "VARCHAR",
    "file": "VARCHAR",
    "version": "VARCHAR",
    "received_at": "TIMESTAMPTZ",
    "plain_bytes": "BIGINT",
    "lines": "BIGINT",
    "skipped_lines": "BIGINT",
    "quarantine_reason": "VARCHAR",
}
BATCH_COLUMNS = {"key": "VARCHAR", "day": "DATE", "events": "BIGINT", "size_bytes": "BIGINT", "sha256": "VARCHAR"}
PART_COLUMNS = {"rollup": "VARCHAR", "day": "DATE", "key": "VARCHAR", "size_bytes": "BIGINT", "sha256": "VARCHAR"}
_ITEM = dict.fromkeys(("source", "marketplace_id", "plugin", "kind", "name"), "VARCHAR")
DAILY_COLUMNS = {"day": "DATE", **_ITEM} | dict.fromkeys(("invocations", "distinct_users", "errors", *BILLED), "BIGINT")
WINDOW_COLUMNS = {
    **_ITEM,
    **dict.fromkeys(("invocations_7d", "distinct_users_7d", "errors_7d"), "BIGINT"),
    **dict.fromkeys(("invocations_30d", "distinct_users_30d", "errors_30d", "active_days_30d"), "BIGINT"),
    **dict.fromkeys([f"{name}_30d" for name in (*BILLED, "tokens")], "BIGINT"),
    "trend_pct": "DOUBLE",
    "last_used_day": "DATE",
    "cost_usd_30d": "DOUBLE",
    "unpriced_tokens_30d": "BIGINT",
    "carried_tokens_30d": "BIGINT",
    "carried_cost_usd_30d": "DOUBLE",
    "carried_unpriced_tokens_30d": "BIGINT",
}
_PLUGIN = ("source", "marketplace_id", "plugin")
TOGETHER_COLUMNS = {
    **dict.fromkeys((*_PLUGIN, *(f"with_{name}" for name in _PLUGIN)), "VARCHAR"),
    "sessions_30d": "BIGINT",
    "likeness": "DOUBLE",
}


_ROWS_AT_ONCE = 1000
"""Of one statement: five thousand sessions as JSON and as vectors are 200 MB while it runs, a thousand 60."""


class LedgerMoved(ConflictError):
    """Another run has changed the ledger since this one read it; nothing of this one was published."""

    code = "ledger_moved"

    def __init__(self) -> None:
        super().__init__("another run was faster", hint="Run it again.")


@dataclass(frozen=True, slots=True)
class Progress:
    revision: int
    windows_day: date | None
    reprocess_before: datetime | None = None
    """Sessions that were extracted earlier are extracted again."""
    pruned_before: date | None = None
    """Events of earlier days are not kept."""


@dataclass(frozen=True, slots=True)
class Read:
    """What the ledger knows of one file."""

    version: str
    received_at: datetime
    quarantine_reason: str | None


@dataclass(slots=True)
class Known:
    """What the ledger knows of one session."""

    files: dict[str, Read] = field(default_factory=dict)
    days: tuple[date, ...] = ()
    processor_version: int = 0
    extracted_at: datetime | None = None
    generation: str = ""

    def is_stale(self, progress: Progress, processor_version: int) -> bool:
        """Extracted by older rules, or before a reprocessing was asked for."""
        before = progress.reprocess_before
        return self.processor_version != processor_version or (
            before is not None and (self.extracted_at is None or self.extracted_at < before)
        )


@dataclass(slots=True)
class Changes:
    """Everything that one round changes, published in one commit."""

    revision: int
    """What the round began on."""
    at: datetime
    windows_day: date
    sessions: list[dict[str, Any]] = field(default_factory=list)
    kept: list[SessionId] = field(default_factory=list)
    """Sessions that stay as they are though the rules are newer: their transcripts are gone."""
    kept_as: int = 0
    """The version that is written beside them."""
    redacted: list[SessionId] = field(default_factory=list)
    """Sessions that leave the ledger."""
    rewritten: set[date] = field(default_factory=set)
    """Days whose stored event files are merged whatever their number, without what does not count."""
    transcripts: list[dict[str, Any]] = field(default_factory=list)
    batches: list[dict[str, Any]] = field(default_factory=list)
    merged: list[str] = field(default_factory=list)
    """Keys of batches whose events are in one of `batches` now."""
    forgotten: list[str] = field(default_factory=list)
    """Retired keys whose objects have been removed."""
    parts: list[dict[str, Any]] = field(default_factory=list)
    daily_days: list[date] = field(default_factory=list)
    """Days whose rows of item_daily are replaced by `daily`."""
    daily: list[dict[str, Any]] = field(default_factory=list)
    daily_since: date | None = None
    """Older rows of item_daily are removed."""
    windows: list[dict[str, Any]] = field(default_factory=list)
    together: list[dict[str, Any]] = field(default_factory=list)


def progress(db: Db) -> Progress:
    return Progress(
        *one_row(db, "SELECT revision, windows_day, reprocess_before, pruned_before FROM telemetry.progress")
    )


def known(db: Db, sessions: Sequence[SessionId]) -> dict[SessionId, Known]:
    """The ledger's rows of these; an unknown session is an empty Known."""
    found = {session: Known() for session in sessions}
    asked = json.dumps([{"user_id": user, "session_id": session} for user, session in sessions])
    wanted = _rows_of({"user_id": "VARCHAR", "session_id": "VARCHAR"})
    for user, session, days, version, extracted_at, generation in db.execute(
        "SELECT user_id, session_id, days, processor_version, extracted_at, generation "  # noqa: S608
        f"FROM telemetry.sessions SEMI JOIN {wanted} w USING (user_id, session_id)",
        {"rows": asked},
    ).fetchall():
        one = found[SessionId(user, session)]
        one.days, one.processor_version = tuple(days), version
        one.extracted_at, one.generation = extracted_at, generation
    for user, session, file, *read in db.execute(
        "SELECT user_id, session_id, file, version, received_at, quarantine_reason "  # noqa: S608
        f"FROM telemetry.transcripts SEMI JOIN {wanted} w USING (user_id, session_id)",
        {"rows": asked},
    ).fetchall():
        found[SessionId(user, session)].files[file] = Read(*read)
    return found


def stale(db: Db, processor_version: int, *, limit: int | None = None) -> list[tuple[str, str, str]]:
    """(user_id, session_id, generation) of sessions to be extracted again, those first that figures of now need most."""
    return db.execute(
        """
        SELECT user_id, session_id, generation FROM telemetry.sessions, telemetry.progress
        WHERE processor_version <> $version OR extracted_at < reprocess_before
        ORDER BY ended_at DESC NULLS LAST, user_id, session_id LIMIT $limit
        """,
        {"version": processor_version, "limit": limit},
    ).fetchall()


def batches_of(db: Db, days: Sequence[date]) -> dict[date, list[str]]:
    """Keys of the event files of these days."""
    found: dict[date, list[str]] = {day: [] for day in days}
    for day, key in db.execute(
        "SELECT day, key FROM telemetry.batches WHERE day IN (SELECT unnest($days)) ORDER BY key", {"days": list(days)}
    ).fetchall():
        found[day].append(key)
    return found


def events_of(db: Db, days: Sequence[date]) -> dict[date, int]:
    """Rows of the event files of these days, those that have some."""
    return dict(
        db.execute(
            "SELECT day, sum(events)::BIGINT FROM telemetry.batches WHERE day IN (SELECT unnest($days)) GROUP BY day",
            {"days": list(days)},
        ).fetchall()
    )


def batches_between(db: Db, since: date, until: date) -> list[str]:
    """Keys of the event files of the days from `since` to `until`, both included."""
    rows = db.execute(
        "SELECT key FROM telemetry.batches WHERE day BETWEEN $since AND $until ORDER BY key",
        {"since": since, "until": until},
    ).fetchall()
    return [key for (key,) in rows]


def events_by_day(db: Db) -> list[tuple[date, int]]:
    """(day, rows of its event files), the newest day first."""
    return db.execute(
        "SELECT day, sum(events)::BIGINT FROM telemetry.batches GROUP BY day ORDER BY day DESC"
    ).fetchall()


def events_between(db: Db, since: date, until: date) -> list[tuple[date, int]]:
    """(day, rows of its event files) of the days from `since` to `until`, both included, in order."""
    return db.execute(
        "SELECT day, sum(events)::BIGINT FROM telemetry.batches WHERE day BETWEEN $since AND $until "
        "GROUP BY day ORDER BY day",
        {"since": since, "until": until},
    ).fetchall()


def days(db: Db) -> list[date]:
    """Days that have event files, in order."""
    return [day for (day,) in db.execute("SELECT DISTINCT day FROM telemetry.batches ORDER BY day").fetchall()]


def named_keys(db: Db) -> set[str]:
    """Every object that the ledger names, those that are to be removed too."""
    rows = db.execute(
        "SELECT key FROM telemetry.batches UNION SELECT key FROM telemetry.rollup_parts "
        "UNION SELECT key FROM telemetry.retired"
    ).fetchall()
    return {key for (key,) in rows}


def written(db: Db, wanted: Sequence[str] | None = None) -> dict[str, Written]:
    """What event files and rollups must be: those of the keys `wanted`, or all."""
    only = "" if wanted is None else "WHERE key IN (SELECT unnest($keys))"
    rows = db.execute(
        f"SELECT key, size_bytes, sha256 FROM telemetry.batches {only} UNION ALL "  # noqa: S608 (fixed parts)
        f"SELECT key, size_bytes, sha256 FROM telemetry.rollup_parts {only}",
        {} if wanted is None else {"keys": list(wanted)},
    ).fetchall()
    return {key: Written(size, sha256) for key, size, sha256 in rows}


def all_generations(db: Db) -> list[tuple[str, str, str]]:
    """(user_id, session_id, generation) of every session."""
    return db.execute("SELECT user_id, session_id, generation FROM telemetry.sessions").fetchall()


def versions(db: Db) -> dict[tuple[str, str, str], str]:
    """By (user_id, session_id, file) the version of each transcript that was read."""
    rows = db.execute("SELECT user_id, session_id, file, version FROM telemetry.transcripts").fetchall()
    return {(user, session, file): version for user, session, file, version in rows}


def retired_before(db: Db, at: datetime) -> list[str]:
    """Keys that were retired before `at`, a thousand at most."""
    rows = db.execute("SELECT key FROM telemetry.retired WHERE retired_at < $at LIMIT 1000", {"at": at}).fetchall()
    return [key for (key,) in rows]


def retired(db: Db) -> list[str]:
    """All retired keys."""
    return [key for (key,) in db.execute("SELECT key FROM telemetry.retired").fetchall()]


def live_generations(db: Db, days: Sequence[date]) -> list[tuple[str, str, str]]:
    """(user_id, session_id, generation) of every session that has events on one of `days`."""
    return db.execute(
        "SELECT user_id, session_id, generation FROM telemetry.sessions WHERE list_has_any(days, $days)",
        {"days": list(days)},
    ).fetchall()


def parts_of(db: Db, rollup: str, since: date) -> dict[date, str]:
    """Keys of the current files of a rollup, by day, from `since` on."""
    return dict(
        db.execute(
            "SELECT day, key FROM telemetry.rollup_parts WHERE rollup = $rollup AND day >= $since",
            {"rollup": rollup, "since": since},
        ).fetchall()
    )


def publish(tx: Tx, changes: Changes) -> None:
    """Raises LedgerMoved."""
    db = tx.db
    if progress(db).revision != changes.revision:
        raise LedgerMoved
    db.execute(
        "UPDATE telemetry.progress SET revision = $revision, windows_day = $day",
        {"revision": changes.revision + 1, "day": changes.windows_day},
    )
    for user_id, session_id in changes.kept:
        db.execute(
            "UPDATE telemetry.sessions SET processor_version = ?, extracted_at = ? WHERE user_id = ? AND session_id = ?",
            [changes.kept_as, changes.at, user_id, session_id],
        )
    for user_id, session_id in changes.redacted:
        for table in ("sessions", "transcripts", "damaged_sessions"):
            db.execute(
                f"DELETE FROM telemetry.{table} WHERE user_id = ? AND session_id = ?",  # noqa: S608 (fixed parts)
                [user_id, session_id],
            )
    _put(db, "telemetry.sessions", changes.sessions, SESSION_COLUMNS, replace=True)
    _put(db, "telemetry.transcripts", changes.transcripts, TRANSCRIPT_COLUMNS, replace=True)
    _retire(db, changes)
    _put(db, "telemetry.batches", changes.batches, BATCH_COLUMNS)
    _put(db, "telemetry.rollup_parts", changes.parts, PART_COLUMNS)
    if changes.daily_days:
        db.execute("DELETE FROM telemetry.item_daily WHERE day IN (SELECT unnest($days))", {"days": changes.daily_days})
    if changes.daily_since is not None:
        db.execute("DELETE FROM telemetry.item_daily WHERE day < $since", {"since": changes.daily_since})
    _put(db, "telemetry.item_daily", changes.daily, DAILY_COLUMNS)
    db.execute("DELETE FROM telemetry.item_windows")
    _put(db, "telemetry.item_windows", changes.windows, WINDOW_COLUMNS)
    db.execute("DELETE FROM telemetry.used_together")
    _put(db, "telemetry.used_together", changes.together, TOGETHER_COLUMNS)


def renamed(db: Db) -> list[tuple[str, str, str, date | None, date | None]]:
    """Whose figures the old names of curated plugins are (`agnes.marketplace.former_names.used_as`)."""
    return db.execute(
        "SELECT marketplace_id, old_name, new_name, since, until FROM telemetry.renamed ORDER BY ALL"
    ).fetchall()


def set_versions(db: Db, rows: Sequence[tuple[TranscriptId, str, str]]) -> None:
    """(transcript, version that it was read in, what that is called now): a store gives a copy a version of its own."""
    columns = list(zip(*((w.user_id, w.session_id, w.file, old, new) for w, old, new in rows), strict=True))
    db.execute(
        "UPDATE telemetry.transcripts AS t SET version = m.new FROM (SELECT unnest($u) AS user_id, unnest($s) AS session_id, "
        "unnest($f) AS file, unnest($o) AS old, unnest($n) AS new) AS m WHERE t.user_id = m.user_id "
        "AND t.session_id = m.session_id AND t.file = m.file AND t.version = m.old",
        dict(zip("usfon", (list(column) for column in columns), strict=True)),
    )


def set_renamed(tx: Tx, rows: Renamed) -> None:
    """Also has the next run make the windows anew, which are made of them."""
    tx.db.execute("DELETE FROM telemetry.renamed")
    if rows:
        tx.db.executemany(
            "INSERT INTO telemetry.renamed (marketplace_id, old_name, new_name, since, until) VALUES (?, ?, ?, ?, ?)",
            [list(row) for row in rows],
        )
    tx.db.execute("UPDATE telemetry.progress SET revision = revision + 1, windows_day = NULL")


def rows_before(db: Db, day: date) -> tuple[int, int]:
    """Rows of the event files of days before `day`, and of the others."""
    before, since = one_row(
        db,
        "SELECT coalesce(sum(events) FILTER (day < $day), 0)::BIGINT, coalesce(sum(events) FILTER (day >= $day), 0)::BIGINT "
        "FROM telemetry.batches",
        {"day": day},
    )
    return before, since


def prune(tx: Tx, day: date, *, at: datetime) -> None:
    """Take the event files of days before `day` out of the ledger. Sessions no longer have these days, so no run rolls
    them up again: their rollups stay as they are."""
    db, when = tx.db, {"day": day}
    db.execute(
        "INSERT INTO telemetry.retired (key, retired_at) SELECT key, $at FROM telemetry.batches WHERE day < $day",
        {**when, "at": at},
    )
    db.execute("DELETE FROM telemetry.batches WHERE day < $day", when)
    db.execute(
        "UPDATE telemetry.sessions SET days = list_filter(days, lambda d: d >= $day) WHERE list_min(days) < $day", when
    )
    db.execute(
        "UPDATE telemetry.progress SET revision = revision + 1, "
        "pruned_before = greatest(coalesce(pruned_before, $day), $day)",
        when,
    )


def reprocess(tx: Tx, before: datetime) -> int:
    """Make sessions that were extracted before `before` stale; how many."""
    tx.db.execute(
        "UPDATE telemetry.progress SET revision = revision + 1, reprocess_before = $before", {"before": before}
    )
    return one_number(tx.db, "SELECT count(*) FROM telemetry.sessions WHERE extracted_at < $before", {"before": before})


def session_row(
    key: tuple[str, str, str], days: Iterable[date], events: int, summary: Any, **rest: Any
) -> dict[str, Any]:
    user_id, session_id, generation = key
    return {
        "user_id": user_id,
        "session_id": session_id,
        "generation": generation,
        "days": list(days),
        "events": events,
        **msgspec.structs.asdict(summary),
        **rest,
    }


def _put(db: Db, table: str, rows: list[dict[str, Any]], columns: dict[str, str], *, replace: bool = False) -> None:
    """One statement for many rows: row by row under a key is a thousand times slower (facts.md)."""
    names, verb = ", ".join(columns), "INSERT OR REPLACE" if replace else "INSERT"
    for start in range(0, len(rows), _ROWS_AT_ONCE):
        text = msgspec.json.encode(rows[start : start + _ROWS_AT_ONCE]).decode()
        db.execute(f"{verb} INTO {table} ({names}) SELECT {names} FROM {_rows_of(columns)}", {"rows": text})  # noqa: S608 (fixed)


def _rows_of(columns: dict[str, str]) -> str:
    """The parameter $rows, JSON objects, as a table. DuckDB reads each field by its type.

    First into objects, then each by its shape: as one expression DuckDB would take all of it for a constant, and make a
    value of each field before it has a row.
    """
    shape = json.dumps(columns)
    objects = """SELECT unnest(from_json($rows, '["JSON"]')) AS r"""
    return f"(SELECT unnest(from_json(r, '{shape}')) FROM ({objects}))"  # noqa: S608 (fixed parts)


def _retire(db: Db, changes: Changes) -> None:
    """Take the replaced files out of the ledger; their objects are removed later."""
    days = [part["day"] for part in changes.parts]
    replaced = "day IN (SELECT unnest($days))"
    db.execute(
        f"INSERT INTO telemetry.retired (key, retired_at) SELECT key, $at FROM telemetry.rollup_parts WHERE {replaced}",  # noqa: S608
        {"days": days, "at": changes.at},
    )
    db.execute(f"DELETE FROM telemetry.rollup_parts WHERE {replaced}", {"days": days})  # noqa: S608 (fixed parts)
    db.execute(
        "INSERT INTO telemetry.retired (key, retired_at) SELECT unnest($keys), $at",
        {"keys": changes.merged, "at": changes.at},
    )
    db.execute("DELETE FROM telemetry.batches WHERE key IN (SELECT unnest($keys))", {"keys": changes.merged})
    db.execute("DELETE FROM telemetry.retired WHERE key IN (SELECT unnest($keys))", {"keys": changes.forgotten})
