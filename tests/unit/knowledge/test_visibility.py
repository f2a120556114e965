"""Visibility against a slow query in SQL that says the same in its own words, over random organisations."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from typing import Any

import duckdb
import pytest

from agnes.knowledge import index, received
from agnes.knowledge.model import Item
from agnes.knowledge.transitions import Status
from agnes.knowledge.visibility import Reader, may_receive, may_see

NOW = datetime(2026, 11, 30, tzinfo=UTC)
GROUPS, DOMAINS, PEOPLE = ("g1", "g2", "g3"), ("finance", "data", ""), ("u1", "u2", "u3", "u4")

SEEN = """
WITH served AS (
    SELECT i.*, p.user_id, p.is_admin,
        i.status IN ('approved', 'mandatory') AND NOT i.is_personal
        AND coalesce(i.valid_from <= $now, true) AND coalesce(i.valid_until > $now, true)
        AND (i.audience = 'everyone'
            OR (i.audience = 'groups' AND EXISTS (
                SELECT 1 FROM members m WHERE m.user_id = p.user_id AND list_contains(i.audience_groups, m.group_id)))
            OR EXISTS (
                SELECT 1 FROM grants g JOIN members m USING (group_id)
                WHERE m.user_id = p.user_id AND g.domain = i.domain AND i.domain <> '')) AS receives
    FROM items i CROSS JOIN people p
)
SELECT user_id, id, receives, receives OR author_id = user_id OR (is_admin AND NOT is_personal) FROM served
"""


def drawn(rng: random.Random, number: int) -> Item:
    def moment() -> datetime | None:
        return rng.choice([None, NOW, NOW - timedelta(days=1), NOW + timedelta(days=1)])

    audience = rng.choice(["everyone", "groups"])
    return Item(
        id=f"i{number}",
        title="t",
        content="c",
        category="",
        domain=rng.choice(DOMAINS),
        tags=[],
        entities=[],
        status=rng.choice(list(Status)),
        source="person",
        author_id=rng.choice(PEOPLE),
        audience=audience,
        audience_groups=rng.sample(GROUPS, rng.randint(0, 2)) if audience == "groups" else [],
        is_personal=rng.random() < 0.2,
        valid_from=moment(),
        valid_until=moment(),
        review_at=None,
        superseded_by=None,
        reason="",
        decided_by="",
        decided_at=None,
        revision=1,
        created_at=NOW,
        updated_at=NOW,
    )


@pytest.mark.parametrize("seed", range(8))
def test_one_rule_says_what_the_query_says(seed: int) -> None:
    rng = random.Random(seed)
    items = [drawn(rng, number) for number in range(200)]
    members = {(user, group) for user in PEOPLE for group in GROUPS if rng.random() < 0.4}
    grants = {(group, domain) for group in GROUPS for domain in DOMAINS[:2] if rng.random() < 0.3}
    admins = {user for user in PEOPLE if rng.random() < 0.3}
    db = duckdb.connect()
    db.execute("SET TimeZone = 'UTC'")
    db.execute("CREATE TABLE items (id VARCHAR, status VARCHAR, is_personal BOOLEAN, valid_from TIMESTAMPTZ, valid_until TIMESTAMPTZ, audience VARCHAR, audience_groups VARCHAR[], domain VARCHAR, author_id VARCHAR)")  # fmt: skip
    db.execute("CREATE TABLE people (user_id VARCHAR, is_admin BOOLEAN)")
    db.execute("CREATE TABLE members (user_id VARCHAR, group_id VARCHAR)")
    db.execute("CREATE TABLE grants (group_id VARCHAR, domain VARCHAR)")

    def fill(table: str, rows: list[list[Any]]) -> None:
        if rows:
            db.executemany(f"INSERT INTO {table} VALUES ({', '.join('?' * len(rows[0]))})", rows)

    fill("items", [[i.id, i.status, i.is_personal, i.valid_from, i.valid_until, i.audience, i.audience_groups, i.domain, i.author_id] for i in items])  # fmt: skip
    fill("people", [[user, user in admins] for user in PEOPLE])
    fill("members", [list(row) for row in sorted(members)])
    fill("grants", [list(row) for row in sorted(grants)])
    rows = db.execute(SEEN, {"now": NOW}).fetchall()
    readers = {}
    for user in PEOPLE:
        groups = {group for one, group in members if one == user}
        domains = {domain for group, domain in grants if group in groups}
        readers[user] = Reader(user, groups, domains, user in admins)
    by_id = {item.id: item for item in items}
    assert len(rows) == len(items) * len(PEOPLE)
    for user, item_id, receives, sees in rows:
        item = by_id[item_id]
        assert may_receive(item, readers[user], NOW) == receives, (user, item)
        assert may_see(item, readers[user], NOW) == sees, (user, item)
    known = index.made_of(items, {})
    for user in PEOPLE:
        own = [row for row in rows if row[0] == user]
        got = received.received(known, readers[user], NOW)
        assert {item.id for item in got.newest} == got.ids == {row[1] for row in own if row[2]}
        assert {item.id for item in (*got.approved, *got.mandatory)} == got.ids
        sees = {row[1] for row in own if row[3]}
        assert {item.id for item in received.seen(known, readers[user], NOW)} == sees
        assert {item.id for item in received.seen_of(known, items, readers[user], NOW)} == sees
    assert any(row[2] for row in rows)
    assert not all(row[3] for row in rows)


def test_nobody_sees_anothers_personal_item() -> None:
    rng = random.Random(1)
    for number in range(300):
        item = drawn(rng, number)
        if item.is_personal:
            for user in PEOPLE:
                seen = may_see(item, Reader(user, GROUPS, DOMAINS, is_admin=True), NOW)
                assert seen == (user == item.author_id)
