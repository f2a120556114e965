"""Parts of the wiring: built once, by whichever thread asks first, or given."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from agnes.kernel.clock import SystemClock
from agnes.settings import load
from agnes.wiring import Wiring


def test_threads_that_ask_at_once_get_the_same_part(tmp_path: Path) -> None:
    wiring, together = Wiring(load({"AGNES_DATA_DIR": str(tmp_path)})), threading.Barrier(8)

    def ask(_: int) -> object:
        together.wait()
        return wiring.state

    with ThreadPoolExecutor(8) as pool:
        assert len({id(part) for part in pool.map(ask, range(8))}) == 1


def test_a_given_part_is_used_by_those_that_are_built(tmp_path: Path) -> None:
    clock = SystemClock()
    wiring = Wiring(load({"AGNES_DATA_DIR": str(tmp_path)}), clock=clock)
    assert wiring.clock is clock
    assert wiring.state.clock is clock


def test_a_part_of_another_name_is_refused(tmp_path: Path) -> None:
    with pytest.raises(TypeError, match="no part of the name cloak"):
        Wiring(load({"AGNES_DATA_DIR": str(tmp_path)}), cloak=SystemClock())
