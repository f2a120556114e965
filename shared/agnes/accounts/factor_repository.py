"""SQL over second factors and recovery codes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from agnes.kernel.state import Db


@dataclass(frozen=True, slots=True)
class SecondFactor:
    nonce: str
    is_confirmed: bool
    last_step: int


def find_second_factor(db: Db, user_id: str) -> SecondFactor | None:
    sql = "SELECT nonce, confirmed_at IS NOT NULL, last_step FROM people.second_factors WHERE user_id = ?"
    row = db.execute(sql, [user_id]).fetchone()
    return SecondFactor(*row) if row else None


def put_second_factor(db: Db, user_id: str, nonce: str, now: datetime) -> None:
    """In place of one that was not confirmed."""
    remove_second_factor(db, user_id)
    sql = "INSERT INTO people.second_factors (user_id, nonce, created_at, last_step) VALUES (?, ?, ?, 0)"
    db.execute(sql, [user_id, nonce, now])


def confirm_second_factor(db: Db, user_id: str, step: int, now: datetime) -> None:
    sql = "UPDATE people.second_factors SET confirmed_at = ?, last_step = ? WHERE user_id = ?"
    db.execute(sql, [now, step, user_id])


def use_step(db: Db, user_id: str, step: int) -> None:
    db.execute("UPDATE people.second_factors SET last_step = ? WHERE user_id = ?", [step, user_id])


def remove_second_factor(db: Db, user_id: str) -> None:
    """With its recovery codes."""
    for table in ("second_factors", "recovery_codes"):
        db.execute(f"DELETE FROM people.{table} WHERE user_id = ?", [user_id])  # noqa: S608 (two names)


def put_recovery_codes(db: Db, user_id: str, hashes: Sequence[str]) -> None:
    """In place of those that were there."""
    db.execute("DELETE FROM people.recovery_codes WHERE user_id = ?", [user_id])
    db.execute(
        "INSERT INTO people.recovery_codes (user_id, code_hash) SELECT $user, unnest($hashes)",
        {"user": user_id, "hashes": list(hashes)},
    )


def use_recovery_code(db: Db, user_id: str, code_hash: str, now: datetime) -> bool:
    """Whether it was one that had not been used."""
    sql = "SELECT 1 FROM people.recovery_codes WHERE user_id = ? AND code_hash = ? AND used_at IS NULL"
    if db.execute(sql, [user_id, code_hash]).fetchone() is None:
        return False
    sql = "UPDATE people.recovery_codes SET used_at = ? WHERE user_id = ? AND code_hash = ?"
    db.execute(sql, [now, user_id, code_hash])
    return True


def count_recovery_codes(db: Db, user_id: str) -> int:
    """Those that still work."""
    sql = "SELECT count(*) FROM people.recovery_codes WHERE user_id = ? AND used_at IS NULL"
    return int(db.execute(sql, [user_id]).fetchall()[0][0])
