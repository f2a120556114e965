"""Detectors that die at every call of the store, before and after it: each fact is there once in the end, none is lost."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from agnes.kernel.ports import Version
from agnes.knowledge import forgetting
from agnes.outside.object_store.memory import MemoryStore
from agnes.telemetry.extraction import redaction
from tests.builders.house import House
from tests.builders.people import seed_admin
from tests.builders.verified import CASES
from tests.edge.flea.test_kills import Died, MortalStore
from tests.edge.knowledge.conftest import Library

pytestmark = pytest.mark.slow


class DyingAtWrites(MortalStore):
    """Counts calls that change something: dying at a read leaves what dying after the write before it leaves."""

    def read(self, key: str) -> Any:
        return MemoryStore.read(self, key)

    def read_if_changed(self, key: str, version: Version) -> Any:
        return MemoryStore.read_if_changed(self, key, version)


class KilledInstallation:
    """A library that can die and be started again over what its store holds."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.store, self.starts = folder, DyingAtWrites(), 0
        self.start()
        self.library = Library(self.house, seed_admin(self.house))

    def start(self) -> None:
        self.starts += 1
        self.house = House(self.folder / str(self.starts), store=self.store)
        self.house.__enter__()

    def restart(self, clock: object) -> None:
        self.house.__exit__()
        self.start()
        self.house.wiring.clock = clock
        self.house.clock = clock  # time goes on
        self.library.house = self.house


@pytest.fixture
def killed(tmp_path: Path) -> Iterator[KilledInstallation]:
    made = KilledInstallation(tmp_path)
    yield made
    made.house.__exit__()


def test_a_detector_that_dies_anywhere(killed: KilledInstallation) -> None:
    library = killed.library
    bob = library.person("bob")
    library.send(bob, CASES["correction"])
    library.pass_time()
    kept, at = dict(killed.store._held), library.house.clock.now()
    number = 0
    while True:
        number += 1
        ended = False
        for acts in (False, True):
            killed.store._held = dict(kept)
            clock = type(library.house.clock)(at)
            killed.restart(clock)
            killed.store.calls, killed.store.dies_at, killed.store.acts = 0, number, acts
            try:
                library.detect()
                ended = True
            except Died:
                pass
            killed.store.dies_at = None
            killed.restart(clock)
            library.pass_time()
            library.detect()
            library.pass_time()
            library.detect()
            assert library.found() == CASES["correction"].expected
            assert library.rows("SELECT count(*) FROM knowledge.evidence") == [(1,)]
            assert library.rows("SELECT DISTINCT status FROM knowledge.readings") == [("read",)]
        if ended:
            break
    assert number > 4


def test_forgetting_that_dies_anywhere_is_finished_by_the_detector(killed: KilledInstallation) -> None:
    library = killed.library
    bob, case = library.person("bob"), CASES["correction"]
    library.send(bob, case)
    library.pass_time()
    library.detect()
    redaction.redact_session(
        library.house.state, killed.store, bob.id, case.session_id, clock=library.house.wiring.clock
    )
    kept, clock = dict(killed.store._held), library.house.clock
    number = 0
    ended = False
    while not ended:
        number += 1
        for acts in (False, True):
            killed.store._held = dict(kept)
            killed.restart(clock)
            killed.store.calls, killed.store.dies_at, killed.store.acts = 0, number, acts
            try:
                forgetting.forget_sessions(library.house.state, bob.id, [case.session_id], now=clock.now())
                ended = True
            except Died:
                pass
            killed.store.dies_at = None
            killed.restart(clock)
            library.detect()
            for table in ("items", "evidence", "history"):
                assert library.rows(f"SELECT count(*) FROM knowledge.{table}") == [(0,)], table
