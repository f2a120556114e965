from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.builders.house import House
from tests.builders.market import FleaMarket, QueueHere, ScriptedReviewer
from tests.builders.people import Person, add_person, seed_admin


@pytest.fixture
def market(tmp_path: Path) -> Iterator[FleaMarket]:
    queue, reviewer = QueueHere(), ScriptedReviewer()
    with House(tmp_path, queue=queue, flea_reviewer=reviewer) as house:
        yield FleaMarket(house, queue, reviewer)
        house.state.close()


@pytest.fixture
def ada(market: FleaMarket) -> Person:
    return seed_admin(market.house)


@pytest.fixture
def bob(market: FleaMarket, ada: Person) -> Person:
    return add_person(market.house, ada, "bob@example.com", name="Bob")


@pytest.fixture
def eve(market: FleaMarket, ada: Person) -> Person:
    return add_person(market.house, ada, "eve@example.com", name="Eve")
