"""What a function does in Lambda's initialisation, so that its first request does not."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from agnes.accounts import first_start
from agnes.edge import starting
from agnes.edge.render import environment
from agnes.kernel.clock import FixedClock
from agnes.kernel.errors import UnavailableError
from agnes.kernel.ports import Blob, Secret
from agnes.outside.object_store.memory import MemoryStore
from agnes.settings import initialisation
from tests.builders.house import START, House

EMAIL, PASSWORD = "ada@example.com", "correct horse battery"


class RemoteStore(MemoryStore):
    """With connections, as S3's adapter has; says which keys are read."""

    def __init__(self, clock: FixedClock) -> None:
        super().__init__(clock=clock)
        self.read_keys: list[str] = []
        self.is_away = False
        self.is_connected = False

    def connect(self) -> None:
        self.is_connected = True

    def disconnect(self) -> None:
        self.is_connected = False

    def read(self, key: str) -> Blob | None:
        self.read_keys.append(key)
        if self.is_away:
            raise UnavailableError("the store is away", code="away")
        return super().read(key)


class NoSecrets:
    """Secrets that a snapshot must not hold."""

    def get(self, name: str) -> Secret | None:
        raise AssertionError(f"the secret {name} was read")

    put = add = remove = get


@pytest.fixture
def clock() -> FixedClock:
    return FixedClock(START)


@pytest.fixture
def store(clock: FixedClock) -> RemoteStore:
    return RemoteStore(clock)


@pytest.fixture
def token(store: RemoteStore, clock: FixedClock, tmp_path: Path) -> str:
    with House(tmp_path / "before", store=store, clock=clock) as house:
        first_start.prepare(house.state, seed_email=EMAIL, seed_password=Secret(PASSWORD), now=clock.now())
        house.state.migrate()
        made = house.login(EMAIL, PASSWORD)
        house.state.close()
    store.read_keys.clear()
    return made


@pytest.fixture
def house(store: RemoteStore, clock: FixedClock, token: str, tmp_path: Path) -> Iterator[House]:
    """A new environment."""
    environ = {"AGNES_STORE": "s3", "AGNES_BUCKET": "remote"}
    with House(tmp_path / "new", store=store, clock=clock, environ=environ, secrets=NoSecrets()) as made:
        yield made
        made.state.close()


def views_of(function: str) -> list[Any]:
    app = importlib.import_module(f"functions.{function}.app").app
    return [entry.view_function for methods in app.routes.values() for entry in methods.values()]


def test_the_first_request_finds_the_state_open(house: House, store: RemoteStore, token: str) -> None:
    starting.get_ready(views_of("browse.get_items"))
    assert store.is_connected
    assert {key for key in store.read_keys if key.endswith(".duckdb")}
    store.read_keys.clear()
    assert house.get("/api/marketplace/items", token=token).status == 200
    assert [key for key in store.read_keys if key.startswith("state/")] == []


def test_after_a_snapshot_the_newest_state_is_asked_for(house: House, store: RemoteStore, token: str) -> None:
    """The clock of a restored process goes on where the snapshot was taken, be it a day ago."""
    starting.get_ready(views_of("browse.get_items"), is_snapshot=True)
    assert not store.is_connected
    store.read_keys.clear()
    assert house.get("/api/marketplace/items", token=token).status == 200
    assert sorted(key for key in store.read_keys if key.startswith("state/")) == [
        f"state/{file}/head.json" for file in ("flea", "marketplace", "people", "stack", "telemetry")
    ]


def test_a_pages_templates_are_compiled_with_all_that_they_use(house: House) -> None:
    environment().cache.clear()
    starting.get_ready(views_of("browse.page_marketplace"))
    compiled = {name for _, name in environment().cache}
    assert "_layout/error.html" in compiled
    assert len(compiled) > 3


def test_a_store_that_is_away_is_the_first_requests_problem(house: House, store: RemoteStore, token: str) -> None:
    store.is_away = True
    starting.get_ready(views_of("browse.get_items"))
    assert house.get("/api/marketplace/items", token=token).status == 503
    store.is_away = False
    assert house.get("/api/marketplace/items", token=token).status == 200


def test_state_that_is_not_there_is_not_made(clock: FixedClock, tmp_path: Path) -> None:
    store = RemoteStore(clock)
    with House(tmp_path, store=store, clock=clock, environ={"AGNES_STORE": "s3", "AGNES_BUCKET": "new"}) as house:
        starting.get_ready(views_of("stack.any_install"))
        assert list(store.list("")) == []
        house.state.close()


def test_nothing_is_done_away_from_lambda(house: House, store: RemoteStore) -> None:
    assert initialisation({}) == ""
    assert initialisation({"AWS_LAMBDA_INITIALIZATION_TYPE": "snap-start"}) == starting.SNAP_START
    starting.start(views_of("browse.get_items")[0])
    assert store.read_keys == []
