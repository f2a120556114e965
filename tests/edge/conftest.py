from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.builders.house import House
from tests.builders.people import Person, seed_admin


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    with House(tmp_path) as house:
        yield house
        house.state.close()


@pytest.fixture
def admin(house: House) -> Person:
    return seed_admin(house)
