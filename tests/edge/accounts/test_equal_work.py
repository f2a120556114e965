"""A refused sign-in does the same work whether the address is known or not, so its time tells nothing.

Work is counted, not timed: verifications of a hash with its cost, and calls of the store.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from types import FrameType
from typing import Any

import pytest
from argon2 import PasswordHasher, extract_parameters

from agnes.accounts import limits
from agnes.outside.object_store.memory import MemoryStore
from tests.builders.house import House
from tests.builders.people import ADMIN_EMAIL, PASSWORD, add_person, seed_admin, set_password
from tests.unit.state.bank import CountingStore

VERIFY = PasswordHasher.verify.__code__


@pytest.fixture
def house(tmp_path):
    with House(tmp_path, store=CountingStore(MemoryStore())) as made:
        yield made


@pytest.fixture
def people(house) -> dict[str, str]:
    """An address of each kind."""
    admin = seed_admin(house)
    gone = add_person(house, admin, "gone@example.com")
    set_password(house, admin, gone)
    house.post(f"/api/users/{gone.id}/deactivate", token=admin.token)
    house.post("/api/users", token=admin.token, json_body={"email": "invited@example.com"})
    damaged = add_person(house, admin, "damaged@example.com")
    house.state.commit(
        "people", lambda tx: tx.db.execute("UPDATE people.users SET password_hash = 'x' WHERE id = ?", [damaged.id])
    )
    return {
        "known": ADMIN_EMAIL,
        "deactivated": gone.email,
        "without a password": "invited@example.com",
        "with a damaged hash": damaged.email,
        "unknown": "nobody@example.com",
        "no address at all": "nobody",
    }


def by_api(house: House, email: str, password: str) -> Any:
    return house.post("/auth/token", json_body={"email": email, "password": password})


def by_form(house: House, email: str, password: str) -> Any:
    headers = {"Origin": "http://agnes.test"}
    return house.post("/auth/password/login/web", form={"email": email, "password": password}, headers=headers)


def work(house: House, act: Callable[[], Any]) -> tuple[Any, list[tuple[int, int, int]], list[str]]:
    """The answer; time cost, memory and lanes of each hash that was verified; and each call of the store."""
    verified = []

    def profile(frame: FrameType, event: str, _: Any) -> None:
        if event == "call" and frame.f_code is VERIFY and frame.f_locals["hash"].startswith("$argon2id$"):
            cost = extract_parameters(frame.f_locals["hash"])
            verified.append((cost.time_cost, cost.memory_cost, cost.parallelism))

    house.store.calls.clear()
    sys.setprofile(profile)
    try:
        answer = act()
    finally:
        sys.setprofile(None)
    return answer, verified, [verb for verb, _, _ in house.store.calls]


@pytest.mark.parametrize("door", [by_api, by_form])
@pytest.mark.parametrize("password", ["wrong horse battery", "x" * 10_000, ""])
def test_a_refused_sign_in_costs_the_same(house, people, door, password):
    house.get("/login")  # this process has read what admins set, whoever asks first
    costs = {}
    for kind, email in people.items():
        house.clock.sleep(61)  # the address may try again
        with house.state.read("people"):  # the head is looked up now, for all of them
            pass
        answer, verified, calls = work(house, lambda email=email: door(house, email, password))
        costs[kind] = (answer.status, answer.headers.get("location"), answer.body, verified, calls)
    assert costs == dict.fromkeys(people, costs["unknown"])
    hashed, calls = costs["unknown"][3:]
    assert (len(hashed), len(calls) >= 4) == (1, True) if password else True


def test_seven_guesses_cost_the_same(house, people):
    """The lock after five, too."""
    told = {}
    for kind in ("known", "without a password", "unknown"):
        house.clock.sleep(61)
        told[kind] = []
        for _ in range(7):
            answer, verified, calls = work(house, lambda kind=kind: by_api(house, people[kind], "wrong horse battery"))
            told[kind].append((answer.status, answer.body, verified, calls))
    assert told["known"] == told["unknown"] == told["without a password"]
    assert [status for status, *_ in told["known"]] == [401] * 5 + [429] * 2
    assert [len(verified) for _, _, verified, _ in told["known"]] == [1] * 5 + [0] * 2


def test_an_owner_who_signed_in_today_is_not_told_apart(house, people):
    """Neither by a process that saw it, nor by one that starts now."""
    house.clock.sleep(61)
    assert by_api(house, people["known"], PASSWORD).status == 200
    for _ in ("a process that saw it", "one that starts now"):
        costs = {}
        for kind in ("unknown", "known"):
            house.clock.sleep(61)
            answer, verified, calls = work(house, lambda kind=kind: by_api(house, people[kind], "wrong horse battery"))
            costs[kind] = (answer.status, answer.body, verified, calls)
        assert costs["known"] == costs["unknown"]
        limits._seen.clear()
