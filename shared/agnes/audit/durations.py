"""How long changes took, from the audit of all state files."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from agnes.kernel.state import State

AT_LEAST, TOP = 5, 10


@dataclass(frozen=True, slots=True)
class SlowAction:
    """From the beginning of a change to its commit."""

    action: str
    count: int
    p50_ms: float
    p95_ms: float
    p99_ms: float
    max_ms: float


def slow_actions(state: State, *, since: datetime) -> list[SlowAction]:
    """What took longest of what was committed since then and is not archived yet, by the 95th percentile."""
    lines = " UNION ALL ".join(f'SELECT action, duration_ms, "at" FROM {file}.audit' for file in state.names)  # noqa: S608
    with state.read(*state.names, spare=state.names) as db:
        rows = db.execute(
            f"""SELECT action, count(*) AS n, quantile_cont(duration_ms, 0.5), quantile_cont(duration_ms, 0.95) AS p95,
                quantile_cont(duration_ms, 0.99), max(duration_ms)
            FROM ({lines}) WHERE "at" >= $since AND duration_ms > 0
            GROUP BY action HAVING n >= {AT_LEAST} ORDER BY p95 DESC, action LIMIT {TOP}""",  # noqa: S608 (fixed parts)
            {"since": since},
        ).fetchall()
    return [SlowAction(action, n, *(round(ms, 1) for ms in times)) for action, n, *times in rows]


def ago(seconds: float) -> str:
    return "just now" if seconds < 1 else f"{span(seconds)} ago"


def span(seconds: float) -> str:
    """90 → `1 minute`, 86400 → `1 day`."""
    for size, unit in ((86400, "day"), (3600, "hour"), (60, "minute"), (1, "second")):
        if seconds >= size:
            count = int(seconds // size)
            return f"{count} {unit}{'' if count == 1 else 's'}"
    return "0 seconds"
