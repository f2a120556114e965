"""What is known of renamed plugins, for everybody who reads grants and stacks. What a sync makes of renames is in `renaming`."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from agnes.kernel.state import Db
from agnes.marketplace.model import resource_id


def followed(db: Db) -> dict[str, str | None]:
    """Resource of every plugin that was renamed or removed → resource of what it is now."""
    rows = db.execute("SELECT marketplace_id, old_name, new_name FROM marketplace.renames").fetchall()
    return {resource_id(m, old): resource_id(m, new) if new is not None else None for m, old, new in rows}


def pending(db: Db) -> dict[str, str]:
    """Old resource → new one, of the renames that grants and stacks have not followed yet."""
    rows = db.execute(
        "SELECT marketplace_id, old_name, new_name FROM marketplace.renames WHERE moved_at IS NULL AND new_name IS NOT NULL"
    ).fetchall()
    return {resource_id(m, old): resource_id(m, new) for m, old, new in rows}


def set_moved(db: Db, moved: Mapping[str, str], *, now: datetime) -> None:
    """Note that these, old resource → new one, have been followed; not what was renamed again meanwhile."""
    for old, new in moved.items():
        marketplace_id, _, name = old.partition("/")
        db.execute(
            "UPDATE marketplace.renames SET moved_at = ? WHERE marketplace_id = ? AND old_name = ? AND new_name = ?",
            [now, marketplace_id, name, new.partition("/")[2]],
        )
