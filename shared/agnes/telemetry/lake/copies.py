"""Copies of an event in several sessions (forks, resumed sessions) are one event: failed if any copy saw it fail, with
the largest usage that any copy saw, for the rest as the copy of the lowest session id says (decision 15).

Nearly all events have no copy, and only those that have one are grouped with what they carry: that cannot be spilled.
"""

from __future__ import annotations

from agnes.kernel.state import one_number
from agnes.telemetry.lake.batch import ScratchDatabase
from agnes.telemetry.model import BILLED

_MERGED = ", ".join(
    (
        "bool_or(is_error) OVER copies AS is_error",
        "max(loaded) OVER copies AS loaded",
        *(f"max({name}) OVER copies AS {name}" for name in ("long_prompt", *BILLED)),
    )
)


def mark(bench: ScratchDatabase, events: str, *, key: str = "event_id") -> bool:
    """Make the table `copied`: the keys of those of `events` that have copies. Whether there are any."""
    count = one_number(
        bench.db,
        f"CREATE OR REPLACE TABLE copied AS SELECT {key} FROM {events} GROUP BY ALL HAVING count(*) > 1",  # noqa: S608 (fixed parts)
    )
    return count > 0


def once(events: str, *, key: str = "event_id") -> str:
    """SQL for the marked `events`, each once."""
    return f"""
        SELECT * FROM {events} ANTI JOIN copied USING ({key})
        UNION ALL BY NAME
        SELECT * REPLACE ({_MERGED}) FROM {events} SEMI JOIN copied USING ({key})
        WINDOW copies AS (PARTITION BY {key})
        QUALIFY row_number() OVER (PARTITION BY {key} ORDER BY session_id) = 1
    """  # noqa: S608 (fixed parts)
