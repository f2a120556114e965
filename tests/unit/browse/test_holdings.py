"""One person's add or remove changes what it must of everybody's holdings, and leaves the rest as it was."""

from __future__ import annotations

import random

import pytest

from agnes.browse.catalogue import SubscriptionIndex
from tests.builders.catalogue import EVERYONE, NOW, Shop, flea, plugin

PEOPLE = {f"u{n}": EVERYONE | ({"red"} if n % 2 else {"blue"}) for n in range(12)}
ENTRIES = [plugin(f"p{n}", is_system=n == 0) for n in range(6)] + [flea("f0"), flea("f1")]
GRANTS = {"acme/p1": ["everyone"], "acme/p2": ["red"], "acme/p3": ["blue"], "acme/p4": ["everyone"]}


@pytest.mark.parametrize("seed", range(20))
def test_it_is_as_if_it_was_made_anew(seed: int) -> None:
    rng = random.Random(seed)
    known = Shop(ENTRIES, grants=GRANTS, people=PEOPLE).catalogue
    required = {"acme/p4": {"red"}}
    users = [*PEOPLE, "gone"]

    def some(user_id: str) -> list[tuple]:
        chosen = rng.sample(ENTRIES, rng.randint(0, 5))
        return [(user_id, e.id, NOW if e.source == "flea" else None) for e in chosen]

    held = {user_id: some(user_id) for user_id in users}

    def anew() -> SubscriptionIndex:
        return SubscriptionIndex(known.content, known.reach, [row for rows in held.values() for row in rows], required)

    found = anew()
    for _ in range(6):
        before = ([*found.counts], {user: set(of) for user, of in found.of_user.items()}, dict(found.since))
        changed = rng.sample(users, rng.randint(1, 3))
        held |= {user_id: some(user_id) for user_id in changed}
        renewed = found.with_other(changed, [row for user_id in changed for row in held[user_id]])
        expected = anew()
        assert renewed.counts == expected.counts
        assert {user: of for user, of in renewed.of_user.items() if of} == expected.of_user
        assert renewed.since == expected.since
        assert all(renewed.together(n) == expected.together(n) for n in range(len(ENTRIES)))
        assert (found.counts, found.of_user, found.since) == before, "who reads the old one still may"
        found = renewed
