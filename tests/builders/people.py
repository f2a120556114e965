"""People of a house: a seeded admin, and accounts that the admin made."""

from __future__ import annotations

from dataclasses import dataclass

from argon2 import PasswordHasher

from agnes.accounts import first_start, repository
from agnes.kernel.ids import UserId
from agnes.kernel.ports import Secret
from tests.builders.beginnings import begun
from tests.builders.house import House

ADMIN_EMAIL = "ada@example.com"
PASSWORD = "correct horse battery"
QUICK = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1).hash(PASSWORD)
"""Its hash, by parameters that cost a microsecond rather than 30 ms of processor time each time it is made or verified. A hash
says its own parameters; that the product makes costly ones is proved in tests/unit/accounts and tests/edge/accounts."""


@dataclass(frozen=True)
class Person:
    id: str
    email: str
    token: str
    """The bearer of a session; as a cookie, `Person.cookie`."""

    @property
    def cookie(self) -> str:
        return f"access_token={self.token}"


def seed_admin(house: House) -> Person:
    """Ada, as SEED_ADMIN_EMAIL and SEED_ADMIN_PASSWORD make her, signed in."""
    return begun(house, _seed)


def _seed(house: House) -> Person:
    now = house.clock.now()
    first_start.prepare(house.state, seed_email=ADMIN_EMAIL, seed_password=Secret(PASSWORD), now=now)
    return sign_in(house, ADMIN_EMAIL)


def sign_in(house: House, email: str, password: str = PASSWORD) -> Person:
    answer = house.post("/auth/token", json_body={"email": email, "password": password})
    assert answer.status == 200, answer.text
    return Person(answer.json()["user_id"], answer.json()["email"], answer.json()["access_token"])


def add_person(house: House, admin: Person, email: str, *, name: str = "", groups: tuple[str, ...] = ()) -> Person:
    """An account with a password in these groups (by id), signed in."""
    made = house.post("/api/users", token=admin.token, json_body={"email": email, "name": name})
    assert made.status == 201, made.text
    user_id = made.json()["id"]
    now = house.clock.now()
    house.state.commit("people", lambda tx: repository.set_password(tx.db, UserId(user_id), QUICK, now))
    for group_id in groups:
        added = house.post(f"/api/admin/groups/{group_id}/members", token=admin.token, json_body={"email": email})
        assert added.status == 201, added.text
    return sign_in(house, email)


def set_password(house: House, admin: Person, who: Person, password: str = PASSWORD) -> None:
    """By the API, as the product hashes it."""
    answer = house.post(f"/api/users/{who.id}/set-password", token=admin.token, json_body={"password": password})
    assert answer.status == 200, answer.text


def audit(house: House) -> list[tuple[str, str, str]]:
    """(action, resource, e-mail of who did it) of the file `people`, oldest first."""
    with house.state.read("people") as db:
        return db.execute("SELECT action, resource, email FROM people.audit ORDER BY rowid").fetchall()
