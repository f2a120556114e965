"""Whose figures the old names of renamed plugins are. Apart from `renaming`, since the extraction needs nothing else of a sync."""

from __future__ import annotations

from datetime import UTC, date

from agnes.kernel.state import Db

UsedAs = tuple[str, str, str, date | None, date | None]
"""(marketplace id, old name, new name, first day, day after the last): when what the old name says was the renamed plugin."""


def used_as(db: Db) -> list[UsedAs]:
    """Whose figures the old names of plugins are, sorted. Days of one old name do not overlap.

    A rename that is over counts for the days before its end, and leads to what the plugin is called now.
    """
    now = {(m, old): new for m, old, new in current(db)}
    found: list[UsedAs] = []
    begun: dict[tuple[str, str], date] = {}
    for m, old, new, until in db.execute(
        "SELECT marketplace_id, old_name, new_name, until FROM marketplace.past_renames ORDER BY until, old_name"
    ).fetchall():
        day = until.astimezone(UTC).date()
        final = now.get((m, new)) or new
        if final != old and begun.get((m, old)) != day:
            found.append((m, old, final, begun.get((m, old)), day))
        begun[m, old] = day
    found += [(m, old, new, begun.get((m, old)), None) for (m, old), new in now.items()]
    return sorted(found, key=lambda one: (one[:3], one[3] or date.min))


def current(db: Db) -> list[tuple[str, str, str]]:
    return db.execute(
        "SELECT marketplace_id, old_name, new_name FROM marketplace.renames WHERE new_name IS NOT NULL"
    ).fetchall()
