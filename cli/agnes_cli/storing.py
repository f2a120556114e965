"""What is stored of a person, as a row of a table."""

from __future__ import annotations

from typing import Any

COLUMNS = {
    "PERSON": "person",
    "STORED": "stored",
    "SESSIONS": "sessions",
    "TODAY": "today",
    "SESSIONS TODAY": "sessions_today",
}


def row(found: dict[str, Any]) -> dict[str, str]:
    held = found["storage"]
    return {
        "person": found["user_email"] or found["user_id"],
        "stored": _of(size(held["stored_bytes"]), held["limit_bytes"] and size(held["limit_bytes"])),
        "sessions": _of(held["sessions"], held["limit_sessions"]),
        "today": _of(size(held["today_bytes"]), held["limit_today_bytes"] and size(held["limit_today_bytes"])),
        "sessions_today": _of(held["today_sessions"], held["limit_today_sessions"]),
    }


def size(count: int) -> str:
    for unit, each in (("GB", 10**9), ("MB", 10**6), ("kB", 10**3)):
        if count >= each:
            return f"{count / each:.1f} {unit}"
    return f"{count} B"


def _of(used: object, limit: object) -> str:
    return f"{used} of {limit}" if limit else str(used)
