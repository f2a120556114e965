"""What an operator reads of a state file: a lost swap, a fold, damage."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from agnes.kernel.clock import SystemClock
from agnes.kernel.ports import ANYTHING
from agnes.kernel.state import State, Tx
from agnes.outside.object_store.memory import MemoryStore
from agnes.settings import load
from agnes.state.head import StateDamaged
from agnes.wiring import Wiring


def state_over(store: MemoryStore, folder: Path) -> State:
    return Wiring(load({"AGNES_DATA_DIR": str(folder)}), store=store, clock=SystemClock()).state


def rename(tx: Tx) -> None:
    tx.db.execute(
        "INSERT INTO people.groups (id, name, description, is_system, created_at) VALUES (uuid()::VARCHAR, uuid()::VARCHAR, '', false, now())"
    )


def test_a_lost_swap_and_a_fold_are_logged(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    store = MemoryStore()
    one, other = state_over(store, tmp_path / "one"), state_over(store, tmp_path / "other")
    with caplog.at_level(logging.INFO, "agnes.state"):
        one.commit("people", rename)
        assert "people is folded into a snapshot" in caplog.text
        tries = 0

        def slow(tx: Tx) -> None:
            nonlocal tries
            tries += 1
            if tries == 1:
                other.commit("people", rename)
            rename(tx)

        one.commit("people", slow)
    assert tries == 2
    assert "people: try 1 lost the swap to another writer" in caplog.text


def test_damage_is_logged(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    store = MemoryStore()
    state_over(store, tmp_path / "one").commit("people", rename)
    for entry in list(store.list("state/people/")):
        store.write(entry.key, b"damaged", expect=ANYTHING, content_type="application/octet-stream")
    with (
        caplog.at_level(logging.ERROR, "agnes.state"),
        pytest.raises(StateDamaged),
        state_over(store, tmp_path / "two").read("people"),
    ):
        pass
    assert "state/people/" in caplog.text
    assert caplog.text.count("state/people/head.json is damaged") == 1
    with pytest.raises(StateDamaged), state_over(store, tmp_path / "three").read("people"):
        pass
    assert caplog.text.count("state/people/head.json is damaged") == 1, "said once a minute, not at each request"
