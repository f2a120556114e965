"""A release with migrations is no outage: before it has migrated, while functions of two releases run, and rolled back.

This code is the release before; the next one has a migration more in every series of every state file, `common` among them.
Every function works under the policy that the composer wrote for its role, as in test_least_privilege.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from agnes import wiring
from agnes.kernel.ports import Blob
from agnes.state import Migration, StateFiles, packaged
from agnes.state.head import Head
from infra import compose
from infra.compose import Composition
from tests.architecture.test_least_privilege import (
    ANSWERS,
    AnsweringApi,
    GuardedHouse,
    Policies,
    Team,
    acting,
    with_everything,
)
from tests.builders.house import Answer

pytestmark = pytest.mark.slow

NEXT_SQL = """
CREATE TABLE {file}.{name} (id VARCHAR PRIMARY KEY, made_at TIMESTAMPTZ);
CREATE INDEX {name}_by_time ON {file}.{name} (made_at);
INSERT INTO {file}.{name} VALUES ('first', NULL);
"""
CONTRACTION = "ALTER TABLE {file}.audit RENAME COLUMN client_ip TO address;"


def next_release(*, contraction: bool = False) -> Mapping[str, tuple[Migration, ...]]:
    """The packaged migrations and one more in each series."""
    found = {}
    for series, known in packaged().items():
        if series == "common":
            sql = CONTRACTION if contraction else NEXT_SQL.replace("{name}", "next_common")
        else:
            sql = NEXT_SQL.replace("{file}", series).replace("{name}", "next_own")
        found[series] = (*known, Migration(len(known) + 1, "next", sql))
    return found


def last_release() -> Mapping[str, tuple[Migration, ...]]:
    """The packaged migrations without the last of each series that has more than one."""
    return {series: known[:-1] or known for series, known in packaged().items()}


class ByTurns:
    """The state as functions of two releases meet it that are called by turns."""

    def __init__(self, *releases: StateFiles) -> None:
        self._releases = releases
        self._turns = itertools.cycle(releases)
        self.used: dict[int, int] = {}

    def __getattr__(self, name: str) -> Any:
        release = next(self._turns)
        self.used[id(release)] = self.used.get(id(release), 0) + 1
        return getattr(release, name)

    def close(self) -> None:
        for release in self._releases:
            release.close()


class House(GuardedHouse):
    """Keeps what was asked for, to ask again."""

    def __init__(self, folder: Path, policies: Policies, *, model_url: str) -> None:
        super().__init__(folder, policies, model_url=model_url)
        self._folder = folder
        self._numbers = itertools.count()
        self.asked: dict[tuple[str, str, str], dict[str, Any]] = {}

    def call(self, method: str, path: str, **kwargs: Any) -> Answer:
        if method == "GET":
            self.asked[path, kwargs.get("token") or "", kwargs.get("cookie") or ""] = kwargs
        return super().call(method, path, **kwargs)

    def release(self, migrations: Mapping[str, tuple[Migration, ...]]) -> StateFiles:
        """A process's state files, as code with these migrations has them."""
        return StateFiles(
            self.store,
            clock=wiring.clock(),
            cache_dir=self._folder / f"release{next(self._numbers)}",
            migrations=migrations,
            max_stale_seconds=0,
        )

    def deploy(self, state: Any) -> None:
        self.wiring.state = state

    def ask_again(self) -> dict[tuple[str, str, str], int]:
        """The status of every GET that was made, made once more."""
        return {key: GuardedHouse.call(self, "GET", key[0], **kwargs).status for key, kwargs in self.asked.items()}

    def schemas(self) -> dict[str, dict[str, int]]:
        found = {}
        for file in self.state.names:
            blob = self.store.read(f"state/{file}/head.json")
            assert isinstance(blob, Blob)
            found[file] = dict(Head.decode(f"state/{file}/head.json", blob.body).schema)
        return found

    def state_objects(self) -> dict[str, Any]:
        return {entry.key: entry.version for prefix in ("state/", "leases/") for entry in self.store.list(prefix)}


@pytest.fixture(scope="module")
def composition() -> Composition:
    composed = compose.compose()
    compose.write_openapi(composed)
    return composed


@pytest.fixture
def policies(composition: Composition) -> Policies:
    return Policies(composition)


@pytest.fixture
def house(tmp_path: Path, policies: Policies) -> Iterator[House]:
    with AnsweringApi(ANSWERS) as api, House(tmp_path, policies, model_url=api.url) as house:
        house.run("ops-cron_prepare")
        yield house


def test_readers_are_served_before_the_deployment_has_migrated(
    house: House, policies: Policies, tmp_path: Path
) -> None:
    """Every state file is a migration behind, and no role of a reader may write it."""
    with_everything(house, Team(house, tmp_path, anew=True))
    assert len(house.asked) > 100
    expected = house.ask_again()
    before, old = house.state_objects(), house.schemas()
    house.deploy(house.release(next_release()))
    found = house.ask_again()
    assert found == expected
    assert not [key for key, status in found.items() if status >= 500]
    assert not policies.broken, "\n".join(sorted(policies.broken))
    assert house.state_objects() == before, "a reader published something"
    assert house.schemas() == old
    with house.state.read("people", "stack") as db:  # it did read what the next release has
        assert db.execute("SELECT id FROM people.next_own UNION ALL SELECT id FROM stack.next_common").fetchall() == [
            ("first",),
            ("first",),
        ]


def test_everything_works_while_functions_of_both_releases_run(
    house: House, policies: Policies, tmp_path: Path
) -> None:
    """The deployment has migrated; every second access is by code of the release before. Then all of it is rolled back."""
    old, new = house.release(packaged()), house.release(next_release())
    house.deploy(new)
    with acting("ops-cron_prepare"):
        house.run("ops-cron_prepare")
    migrated = house.schemas()
    assert all(schema[f"{file}.writers"] <= len(packaged()[file]) for file, schema in migrated.items())
    state = ByTurns(old, new)
    house.deploy(state)
    with_everything(house, Team(house, tmp_path, anew=True))  # asserts what each call is answered
    assert min(state.used.values()) > 100
    assert not {name: statuses for name, statuses in house.statuses.items() if max(statuses) >= 500}
    assert not policies.broken, "\n".join(sorted(policies.broken))
    assert house.schemas() == migrated, "the release before took a migration back"
    house.deploy(house.release(packaged()))
    rolled_back = house.ask_again()
    house.deploy(house.release(next_release()))
    assert house.ask_again() == rolled_back
    assert not [key for key, status in rolled_back.items() if status >= 500]


def test_with_a_contraction_earlier_code_reads_and_says_why_it_does_not_write(house: House, tmp_path: Path) -> None:
    """Which is why one is released after the last code that needs what it takes away; and what this suite would see."""
    team = Team(house, tmp_path, anew=True)
    old = house.state
    house.release(next_release(contraction=True)).migrate()
    assert team.call("GET", "bob", "/api/me").status == 200
    answer = team.call("POST", "ada", "/api/admin/groups", {"name": "Later", "description": ""})
    assert (answer.status, answer.json()["code"]) == (503, "schema_too_new")
    assert house.state is old


def test_the_packaged_migrations_are_read_through_without_being_made(
    tmp_path: Path, policies: Policies, composition: Composition
) -> None:
    """The last migration of each file as it is packaged, under pages of an installation that has nobody's plugins yet."""
    with AnsweringApi(ANSWERS) as api, House(tmp_path, policies, model_url=api.url) as house:
        house.release(last_release()).migrate()
        behind = {file: schema[file] for file, schema in house.schemas().items()}
        assert sum(len(packaged()[file]) - number for file, number in behind.items()) >= 4
        house.deploy(house.release(packaged()))
        before = house.state_objects()
        assert house.get("/login").status == 200
        assert house.get("/api/me", token=f"ags_{'0' * 26}.{'0' * 26}.{'0' * 43}").status == 401
        assert house.get("/api/me", token=f"agp_{'0' * 43}").status == 401
        assert house.state_objects() == before
        # This code stands for the last release's when it makes the team, and signing in needs the last table of `people`.
        grown = house.release({**last_release(), "people": packaged()["people"]})
        grown.migrate()
        house.deploy(grown)
        team = Team(house, tmp_path, anew=True)
        house.deploy(house.release(packaged()))
        before = house.state_objects()
        for who, paths in {
            "bob": ("/", "/marketplace", "/api/marketplace/items", "/api/my-stack", "/marketplace/info"),
            "ada": ("/api/marketplaces", "/api/users", "/api/admin/groups", "/api/admin/grants", "/api/admin/activity"),
        }.items():
            for path in paths:
                assert team.call("GET", who, path).status in (200, 302), path
        assert house.state_objects() == before
        assert not policies.broken, "\n".join(sorted(policies.broken))
