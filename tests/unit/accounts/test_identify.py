"""Who is asking, where several processes know different generations."""

from __future__ import annotations

from datetime import timedelta

import pytest

from agnes.accounts import first_start, service, signing_in
from agnes.kernel.clock import FixedClock
from agnes.kernel.errors import UnauthenticatedError
from agnes.kernel.ports import Secret
from agnes.outside.object_store.memory import MemoryStore
from agnes.state import StateFiles
from tests.builders.house import START

EMAIL, PASSWORD = "ada@example.com", Secret("correct horse battery")


@pytest.fixture
def clock():
    return FixedClock(START)


@pytest.fixture
def processes(tmp_path, clock):
    """Two over one store, each trusting what it knows for a second."""
    store = MemoryStore()
    made = [StateFiles(store, clock=clock, cache_dir=tmp_path / name, max_stale_seconds=1.0) for name in ("a", "b")]
    first_start.prepare(made[0], seed_email=EMAIL, seed_password=PASSWORD, now=clock.now())
    yield store, *made
    for process in made:
        process.close()


def test_a_session_is_known_everywhere_from_its_first_moment(processes, clock):
    store, one, other = processes
    unknown = "ags_" + "0" * 43
    with pytest.raises(UnauthenticatedError):
        service.identify(other, store, unknown, now=clock.now())
    token = signing_in.sign_in(one, store, email=EMAIL, password=PASSWORD, now=clock.now()).token
    assert service.identify(other, store, token.value, now=clock.now()).email == EMAIL


def test_a_session_that_ended_elsewhere_is_over_within_a_second(processes, clock):
    store, one, other = processes
    token = signing_in.sign_in(one, store, email=EMAIL, password=PASSWORD, now=clock.now()).token
    service.identify(other, store, token.value, now=clock.now())
    signing_in.sign_out(one, store, token, now=clock.now())
    clock.sleep(timedelta(seconds=1.1).total_seconds())
    with pytest.raises(UnauthenticatedError) as refused:
        service.identify(other, store, token.value, now=clock.now())
    assert refused.value.code == "session_revoked"
