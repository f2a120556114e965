"""Who added what, of everybody at once, for the catalogue: rows, and marks that say whose rows changed."""

from __future__ import annotations

from datetime import datetime

from agnes.kernel.state import Db
from agnes.stack.entitlement import Since


def installs(db: Db, users: list[str] | None) -> list[tuple[str, str, datetime]]:
    """(user id, entity id, since when) of everything that somebody added, or that these people did."""
    return db.execute(
        """SELECT user_id, entity_id, installed_at FROM stack.entity_installs
        WHERE $users IS NULL OR list_contains($users, user_id)""",
        {"users": users},
    ).fetchall()


def count_installs(db: Db, entities: list[str]) -> dict[str, int]:
    """Entity id → how many people have it, of those of `entities` that somebody has."""
    rows = db.execute(
        "SELECT entity_id, count(*) FROM stack.entity_installs WHERE list_contains(?, entity_id) GROUP BY entity_id",
        [entities],
    ).fetchall()
    return {entity_id: int(count) for entity_id, count in rows}


def counts_of_installs(db: Db) -> dict[str, int]:
    """The same of every entity."""
    rows = db.execute("SELECT entity_id, count(*) FROM stack.entity_installs GROUP BY entity_id").fetchall()
    return {entity_id: int(count) for entity_id, count in rows}


def subscribed(db: Db, users: list[str] | None) -> list[tuple[str, str, Since]]:
    """(user id, `<slug>/<plugin>`, since when) of every subscription, or of those of these people."""
    return db.execute(
        """SELECT user_id, marketplace_id || '/' || plugin_name, epoch_us(subscribed_at) FROM stack.subscriptions
        WHERE $users IS NULL OR list_contains($users, user_id)""",
        {"users": users},
    ).fetchall()


def subscription_marks(db: Db) -> list[tuple[str, int]]:
    """(user id, what changes when a subscription of theirs does)."""
    return db.execute(
        "SELECT user_id, bit_xor(hash(marketplace_id, plugin_name, subscribed_at)) FROM stack.subscriptions GROUP BY user_id"
    ).fetchall()


def install_marks(db: Db) -> list[tuple[str, int]]:
    """(user id, what changes when something that they added of the flea market does)."""
    return db.execute(
        "SELECT user_id, bit_xor(hash(entity_id, installed_at)) FROM stack.entity_installs GROUP BY user_id"
    ).fetchall()
