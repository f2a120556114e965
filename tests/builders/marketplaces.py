"""Rows of registered marketplaces, where a test needs no repository behind them."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

REGISTERED = datetime(2026, 11, 23, 8, 0, tzinfo=UTC)


def register(house: Any, slug: str, plugins: Iterable[str], *, removed: Iterable[str] = ()) -> None:
    """A marketplace whose catalog lists `plugins`, and once listed `removed`. `house` has a `state`."""

    def add(tx: Any) -> None:
        tx.db.execute(
            "INSERT INTO marketplace.registries (id, name, url, description, curator_name, curator_email, registered_by,"
            " registered_at, reading_format) VALUES (?, ?, 'u', '', 'c', 'e', 'a', ?, 1)",
            [slug, slug.title(), REGISTERED],
        )
        for name, removed_at in [*((name, None) for name in plugins), *((name, REGISTERED) for name in removed)]:
            tx.db.execute(
                "INSERT INTO marketplace.plugins (marketplace_id, name, description, keywords, raw, tree_id, git_oid,"
                " version, size_bytes, file_count, is_system, disabled, created_at, updated_at, released_at, removed_at)"
                " VALUES ($slug, $name, '', [], '{}', 't', 'g', 'v', 1, 1, false, false, $at, $at, $at, $removed)",
                {"slug": slug, "name": name, "at": REGISTERED, "removed": removed_at},
            )

    house.state.commit("marketplace", add)
