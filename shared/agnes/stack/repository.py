"""The SQL of the `stack` state file: subscriptions, marks of grants, and what people added of the flea market."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from operator import itemgetter

from agnes.kernel.state import Db, one_number
from agnes.stack.entitlement import Since


def required_grants(db: Db) -> frozenset[str]:
    return frozenset(grant_id for (grant_id,) in db.execute("SELECT grant_id FROM stack.required_grants").fetchall())


def subscriptions(db: Db, user_id: str) -> dict[str, Since]:
    """By `<slug>/<plugin>`."""
    return dict(
        db.execute(
            "SELECT marketplace_id || '/' || plugin_name, epoch_us(subscribed_at) FROM stack.subscriptions WHERE user_id = ?",
            [user_id],
        ).fetchall()
    )


def subscriptions_by_user(db: Db) -> dict[str, dict[str, Since]]:
    """User id → as `subscriptions`."""
    found: dict[str, dict[str, Since]] = {}
    for user_id, resource, since in db.execute(
        "SELECT user_id, marketplace_id || '/' || plugin_name, epoch_us(subscribed_at) FROM stack.subscriptions"
    ).fetchall():
        found.setdefault(user_id, {})[resource] = since
    return found


def entities_by_user(db: Db) -> dict[str, dict[str, Since]]:
    """User id → id of a flea entity → when they added it."""
    found: dict[str, dict[str, Since]] = {}
    for user_id, entity_id, at in db.execute(
        "SELECT user_id, entity_id, epoch_us(installed_at) FROM stack.entity_installs"
    ).fetchall():
        found.setdefault(user_id, {})[entity_id] = at
    return found


def is_subscribed(db: Db, user_id: str, marketplace_id: str, plugin: str, *, since: datetime) -> bool:
    """Whether there is a subscription that counts: one of this registration. Of `db` it reads `stack` alone."""
    row = db.execute(
        "SELECT 1 FROM stack.subscriptions "
        "WHERE user_id = ? AND marketplace_id = ? AND plugin_name = ? AND subscribed_at >= ?",
        [user_id, marketplace_id, plugin, since],
    ).fetchone()
    return row is not None


def require(db: Db, grant_id: str, *, required: bool, at: datetime, by: str) -> bool:
    """Set or clear the mark of a grant; whether that changed anything."""
    known = db.execute("SELECT 1 FROM stack.required_grants WHERE grant_id = ?", [grant_id]).fetchone() is not None
    if known == required:
        return False
    if required:
        db.execute("INSERT INTO stack.required_grants (grant_id, set_at, set_by) VALUES (?, ?, ?)", [grant_id, at, by])
    else:
        db.execute("DELETE FROM stack.required_grants WHERE grant_id = ?", [grant_id])
    return True


def subscribe(db: Db, user_id: str, marketplace_id: str, plugin: str, *, at: datetime) -> None:
    db.execute(
        "INSERT OR REPLACE INTO stack.subscriptions (user_id, marketplace_id, plugin_name, subscribed_at) VALUES (?, ?, ?, ?)",
        [user_id, marketplace_id, plugin, at],
    )


def unsubscribe(db: Db, user_id: str, marketplace_id: str, plugin: str) -> None:
    db.execute(
        "DELETE FROM stack.subscriptions WHERE user_id = ? AND marketplace_id = ? AND plugin_name = ?",
        [user_id, marketplace_id, plugin],
    )


def entity_installs(db: Db, user_id: str) -> dict[str, datetime]:
    """Entity id → since when; the newest first."""
    rows = db.execute(
        "SELECT entity_id, installed_at FROM stack.entity_installs WHERE user_id = ?", [user_id]
    ).fetchall()
    return dict(sorted(sorted(rows), key=itemgetter(1), reverse=True))


def added_entities(db: Db, user_id: str) -> set[str]:
    """Their ids alone: when each was added costs more to read than all the rest."""
    rows = db.execute("SELECT entity_id FROM stack.entity_installs WHERE user_id = ?", [user_id]).fetchall()
    return {entity_id for (entity_id,) in rows}


def follow(db: Db, moving: Mapping[str, str], required: Mapping[str, str]) -> dict[str, int]:
    """Move subscriptions from old plugins to new ones, old resource → new one, and the marks of grants, old id → new id.

    Who had both keeps the earlier date. Repeating it changes nothing. Old resource → how many moved.
    """
    found = {}
    for old, new in moving.items():
        (marketplace_id, _, old_name), new_name = old.partition("/"), new.partition("/")[2]
        found[old] = one_number(
            db,
            "SELECT count(*) FROM stack.subscriptions WHERE marketplace_id = ? AND plugin_name = ?",
            [marketplace_id, old_name],
        )
        if not found[old]:
            continue
        db.execute(
            """INSERT OR REPLACE INTO stack.subscriptions (user_id, marketplace_id, plugin_name, subscribed_at)
            SELECT user_id, marketplace_id, $new, min(subscribed_at) FROM stack.subscriptions
            WHERE marketplace_id = $id AND plugin_name IN ($old, $new)
            GROUP BY user_id, marketplace_id HAVING bool_or(plugin_name = $old)""",
            {"id": marketplace_id, "old": old_name, "new": new_name},
        )
        db.execute(
            "DELETE FROM stack.subscriptions WHERE marketplace_id = ? AND plugin_name = ?", [marketplace_id, old_name]
        )
    for old_grant, new_grant in required.items():
        db.execute(
            """INSERT OR IGNORE INTO stack.required_grants (grant_id, set_at, set_by)
            SELECT ?, set_at, set_by FROM stack.required_grants WHERE grant_id = ?""",
            [new_grant, old_grant],
        )
    return found


def has_entity(db: Db, user_id: str, entity_id: str) -> bool:
    row = db.execute(
        "SELECT 1 FROM stack.entity_installs WHERE user_id = ? AND entity_id = ?", [user_id, entity_id]
    ).fetchone()
    return row is not None


def add_entity(db: Db, user_id: str, entity_id: str, *, at: datetime) -> None:
    db.execute(
        "INSERT INTO stack.entity_installs (user_id, entity_id, installed_at) VALUES (?, ?, ?)",
        [user_id, entity_id, at],
    )


def remove_entity(db: Db, user_id: str, entity_id: str) -> None:
    db.execute("DELETE FROM stack.entity_installs WHERE user_id = ? AND entity_id = ?", [user_id, entity_id])
