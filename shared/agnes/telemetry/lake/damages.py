"""The ledger of damage: what was taken out, whose events it held, what became of it. SQL over the state file `telemetry`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime

from agnes.kernel.state import Change, Db, Tx, one_number, one_row
from agnes.telemetry import keys
from agnes.telemetry.keys import SessionId
from agnes.telemetry.lake import rollups


@dataclass(frozen=True, slots=True)
class Damage:
    """Of the lake, in a span of time."""

    unrepaired: int
    rebuilt: int
    sessions_lost: int
    """Whose events of a day could not be rebuilt."""
    rollups_lost: int
    """Of days whose events were pruned."""
    days: tuple[date, ...]
    """Of what is not repaired, or of what was lost; else of all."""


def has_unrepaired(db: Db) -> bool:
    return db.execute("SELECT 1 FROM telemetry.damage WHERE repaired_at IS NULL LIMIT 1").fetchone() is not None


def since(db: Db, at: datetime) -> Damage:
    """What was found since then, and whatever is not repaired."""
    rows = db.execute(
        "SELECT day, repaired_at IS NOT NULL, coalesce(sessions_lost, 0), coalesce(is_lost, false) FROM telemetry.damage "
        "WHERE found_at >= $at OR repaired_at IS NULL ORDER BY day",
        {"at": at},
    ).fetchall()
    bad = [day for day, repaired, lost, is_lost in rows if lost or is_lost or not repaired]
    return Damage(
        unrepaired=sum(not repaired for _, repaired, _, _ in rows),
        rebuilt=sum(repaired and not is_lost for _, repaired, _, is_lost in rows),
        sessions_lost=sum(lost for _, _, lost, _ in rows),
        rollups_lost=sum(is_lost for *_, is_lost in rows),
        days=tuple(dict.fromkeys(bad or [day for day, *_ in rows])),
    )


def sessions(db: Db) -> list[SessionId]:
    """Those that wait to be extracted again."""
    rows = db.execute(
        "SELECT DISTINCT user_id, session_id FROM telemetry.damaged_sessions "
        "SEMI JOIN telemetry.sessions USING (user_id, session_id, generation) ORDER BY ALL"
    ).fetchall()
    return [SessionId(*row) for row in rows]


def days_without_rollup(db: Db) -> list[date]:
    """Days of damaged rollups that have events to make them of."""
    return [
        day
        for (day,) in db.execute(
            "SELECT DISTINCT d.day FROM telemetry.damage d SEMI JOIN telemetry.batches USING (day) "
            "WHERE repaired_at IS NULL AND starts_with(d.key, $rollups) ORDER BY day",
            {"rollups": keys.ROLLUPS},
        ).fetchall()
    ]


def take_out(
    tx: Tx, found: Mapping[str, str], held: Mapping[date, Sequence[tuple[str, str, str]]], *, at: datetime
) -> None:
    """Remove the keys of `found` (key → reason) from the ledger; make the sessions that their days have `held` stale."""
    db = tx.db
    for key, reason in sorted(found.items()):
        day = keys.day_of(key)
        row = db.execute("SELECT events FROM telemetry.batches WHERE key = ?", [key]).fetchone()
        db.execute(
            "INSERT INTO telemetry.damage (key, day, reason, found_at, events) VALUES (?, ?, ?, ?, ?)",
            [key, day, reason, at, row[0] if row else 0],
        )
        for table in ("batches", "rollup_parts"):
            db.execute(f"DELETE FROM telemetry.{table} WHERE key = ?", [key])  # noqa: S608 (fixed parts)
    first = {keys.day_of(key): key for key in sorted(found, reverse=True) if keys.kind_of(key) == "event file"}
    for day, rows in held.items():
        for user_id, session_id, generation in rows:
            db.execute(
                "INSERT INTO telemetry.damaged_sessions (key, user_id, session_id, generation) VALUES (?, ?, ?, ?)",
                [first[day], user_id, session_id, generation],
            )
            db.execute(
                "UPDATE telemetry.sessions SET processor_version = 0 WHERE user_id = ? AND session_id = ?",
                [user_id, session_id],
            )
    db.execute("UPDATE telemetry.progress SET revision = revision + 1")
    params = {"keys": sorted(found), "sessions": sum(map(len, held.values()))}
    tx.record(Change("usage.damage_found", "usage:lake", params))


def settle(tx: Tx, *, at: datetime) -> tuple[int, int]:
    """Close what does not wait any more; how many sessions were rebuilt, and lost. A session is lost if it still has the
    generation whose events are gone though it was tried: it keeps its summary, and no longer has events on that day."""
    db = tx.db
    rebuilt_in_all = lost_in_all = 0
    for key, day in db.execute("SELECT key, day FROM telemetry.damage WHERE repaired_at IS NULL").fetchall():
        rows = db.execute(
            "SELECT d.user_id, d.session_id, s.generation IS NOT DISTINCT FROM d.generation, s.processor_version "
            "FROM telemetry.damaged_sessions d LEFT JOIN telemetry.sessions s USING (user_id, session_id) WHERE d.key = ?",
            [key],
        ).fetchall()
        if any(same and version == 0 for _, _, same, version in rows):
            continue
        if _lacks_rollup(db, key, day):
            continue
        lost = [(user_id, session_id) for user_id, session_id, same, _ in rows if same]
        for user_id, session_id in lost:
            db.execute(
                "UPDATE telemetry.sessions SET days = list_filter(days, lambda d: d <> $day) "
                "WHERE user_id = $user AND session_id = $session",
                {"day": day, "user": user_id, "session": session_id},
            )
        db.execute("DELETE FROM telemetry.damaged_sessions WHERE key = ?", [key])
        db.execute(
            "UPDATE telemetry.damage SET repaired_at = ?, sessions_rebuilt = ?, sessions_lost = ?, is_lost = ? WHERE key = ?",
            [at, len(rows) - len(lost), len(lost), _is_lost(db, key, day), key],
        )
        rebuilt_in_all += len(rows) - len(lost)
        lost_in_all += len(lost)
    db.execute("UPDATE telemetry.progress SET revision = revision + 1")
    return rebuilt_in_all, lost_in_all


def _is_lost(db: Db, key: str, day: date) -> bool:
    """Whether `key` is a rollup of a day whose events were pruned."""
    if not key.startswith(keys.ROLLUPS):
        return False
    (is_pruned,) = one_row(db, "SELECT coalesce($day < pruned_before, false) FROM telemetry.progress", {"day": day})
    return bool(is_pruned)


def _lacks_rollup(db: Db, key: str, day: date) -> bool:
    """Whether `key` is a rollup of a day with events that has none yet."""
    if not key.startswith(keys.ROLLUPS):
        return False
    name = key.removeprefix(keys.ROLLUPS).partition("/")[0]
    if name not in rollups.BASES:
        return False
    events = one_number(db, "SELECT count(*) FROM telemetry.batches WHERE day = ?", [day])
    parts = one_number(db, "SELECT count(*) FROM telemetry.rollup_parts WHERE rollup = ? AND day = ?", [name, day])
    return bool(events) and not parts
