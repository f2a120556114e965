"""Browsing where plugins need others, versions are rolled out and names have changed: over what `browse.fill` filled in, in one
process, first as it is and then with all of that."""

from __future__ import annotations

import itertools
import json
import random
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from agnes import wiring
from agnes.browse import service, shelf
from agnes.browse.listing import ItemsQuery, listing
from agnes.kernel.principal import Principal


def measure(emit: Any, state: Any) -> None:
    _measure(emit, state, "plain")
    _declare(state)
    _measure(emit, state, "dependencies")


def since(began: float) -> float:
    """In ms."""
    return (time.perf_counter() - began) * 1000


def since_call(call: Callable[[], Any]) -> float:
    began = time.perf_counter()
    call()
    return since(began)


def percentile(times: list[float], share: int) -> float:
    return sorted(times)[min(len(times) - 1, len(times) * share // 100)]


def insert(tx: Any, sql: str, rows: list[dict[str, Any]], columns: dict[str, Any]) -> None:
    tx.db.execute(
        f"{sql.replace('FROM given', 'FROM (SELECT unnest(from_json($rows, $shape), max_depth := 2))')}",
        {"rows": json.dumps(rows), "shape": json.dumps([columns])},
    )


def _declare(state: Any) -> None:
    """Each plugin needs three others of its marketplace, every tenth with a range that its version meets and every fortieth with one
    that only an older version meets; every twentieth has another version for a group; every eighth was renamed, and grants and
    stacks have yet to follow half of those."""

    def change(tx: Any) -> None:
        rows = tx.db.execute("SELECT marketplace_id, name FROM marketplace.plugins ORDER BY name").fetchall()
        given = []
        for number, (slug, name) in enumerate(rows):
            # The next ones in the same marketplace: chains of needs, and no circle.
            needs: list[dict[str, str]] = [
                {"name": rows[at][1]} for at in (number + 8 * k for k in (1, 2, 5)) if at < len(rows)
            ]
            if needs and number % 10 == 0:
                needs[0]["range"] = ">=0.9.0" if number % 40 else "<1.0.0"
            declared = json.dumps({"dependencies": needs}) if needs and number % 3 == 0 else None
            given.append({"slug": slug, "name": name, "declared": declared})
        insert(
            tx,
            """UPDATE marketplace.plugins p SET declared = g.declared FROM (FROM given) g
            WHERE g.slug = p.marketplace_id AND g.name = p.name""",
            given,
            dict.fromkeys(("slug", "name", "declared"), "VARCHAR"),
        )
        for version, days in (("1.0.0+abc", 1), ("0.9.5+old", 30), ("2.0.0+new", 0)):
            tx.db.execute(
                """INSERT INTO marketplace.versions BY NAME SELECT marketplace_id, name AS plugin_name, $version AS id,
                    tree_id, git_oid, $version AS version, description, raw, '[]' AS items, size_bytes, file_count,
                    'c' AS commit_sha, now() - $days * INTERVAL 1 DAY AS read_at,
                    CASE WHEN $days = 0 THEN 'held' ELSE 'live' END AS status, declared FROM marketplace.plugins""",
                {"version": version, "days": days},
            )
        tx.db.execute(
            """UPDATE marketplace.plugins SET rollout_group = 'g' || (hash(name) % 40), rollout_version = '2.0.0+new'
            WHERE hash(name) % 20 = 0"""
        )
        tx.db.execute(
            """INSERT INTO marketplace.renames SELECT marketplace_id, 'old-' || name, name, now(),
                CASE WHEN hash(name) % 16 = 0 THEN NULL ELSE now() END FROM marketplace.plugins WHERE hash(name) % 8 = 0"""
        )

    state.commit("marketplace", change)


def _measure(emit: Any, state: Any, name: str) -> None:
    """The catalogue made from nothing, each person's stack settled, their listing, and a plugin's dependencies."""
    shelf._caches.pop(state, None)
    began = time.perf_counter()
    made = shelf.catalogue(state)
    emit(name=f"browse_{name}_catalogue_made_cold", value=since(began), unit="ms", better="lower", aim=None)
    with state.read("people") as db:
        groups: dict[str, set[str]] = {}
        for user_id, group_id in db.execute("SELECT user_id, group_id FROM people.memberships").fetchall():
            groups.setdefault(user_id, {"everyone"}).add(group_id)
    people = [Principal(who, who, "", frozenset(of), is_admin=False) for who, of in sorted(groups.items())[:300]]
    for what, call in {
        "my_stack": made.stack_of,
        "listing": lambda who: listing(made, who, ItemsQuery(), now=datetime.now(UTC)),
        "listing_of_my_stack": lambda who: listing(made, who, ItemsQuery(tab="my"), now=datetime.now(UTC)),
    }.items():
        times = [since_call(lambda who=who, call=call: call(who)) for who in people]
        emit(name=f"browse_{name}_{what}_p50", value=percentile(times, 50), unit="ms", better="lower", aim=5)
        emit(name=f"browse_{name}_{what}_p95", value=percentile(times, 95), unit="ms", better="lower", aim=None)
    store = wiring.store()
    numbers = random.Random(3).sample(range(len(made.content.entries)), 200)
    pairs = [
        (who, n) for who, n in zip(itertools.cycle(people), numbers, strict=False) if n in made.sights.of(who).numbers
    ]
    today = datetime.now(UTC).date()

    def detail(who: Principal, number: int) -> None:
        entry = made.content.entries[number]
        service.plugin_detail(state, store, who, entry.marketplace_id, entry.name, today=today)

    for who, number in pairs:  # what is read of each plugin once
        detail(who, number)
    times = [since_call(lambda who=who, number=number: detail(who, number)) for who, number in pairs]
    emit(name=f"browse_{name}_plugin_detail_p50", value=percentile(times, 50), unit="ms", better="lower", aim=5)
    emit(name=f"browse_{name}_plugin_detail_p95", value=percentile(times, 95), unit="ms", better="lower", aim=None)
