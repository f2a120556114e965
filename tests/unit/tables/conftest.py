from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from agnes.outside.table_sources import OutsideSources
from agnes.outside.web import SafeWeb
from agnes.tables.collecting import Collecting
from tests.builders.house import House


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    with House(tmp_path) as made:
        yield made
        made.state.close()


@pytest.fixture
def collecting(house: House) -> Collecting:
    """With real adapters, which may go to loopback."""
    sources = OutsideSources(allow=frozenset({"private"}), web=SafeWeb(allow=frozenset({"private"})), store=house.store)
    return Collecting(house.state, house.store, house.wiring.secrets, sources, house.wiring.queue, house.clock, cores=2)
