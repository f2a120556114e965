"""The demonstration in a house of one process, with its admin signed in."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from agnes.accounts import first_start
from agnes.kernel.ports import Secret
from agnes_local import demo
from tests.builders.house import Answer, House

ADMIN, PASSWORD = "ada@example.com", "correct horse"


@dataclass
class Demo:
    house: House
    token: str

    def get(self, path: str) -> Answer:
        return self.house.get(path, token=self.token)

    def json(self, path: str) -> dict:
        answer = self.get(path)
        assert answer.status == 200, answer.text
        return answer.json()

    def page(self, path: str) -> str:
        answer = self.house.get(path, cookie=f"access_token={self.token}")
        assert answer.status == 200, answer.text
        return answer.text


@pytest.fixture(scope="module")
def shop(tmp_path_factory):
    folder = tmp_path_factory.mktemp("demo")
    with House(folder) as house:
        first_start.prepare(house.state, seed_email=ADMIN, seed_password=Secret(PASSWORD), now=house.clock.now())
        demo.fill(folder / "data")
        yield Demo(house, house.login(ADMIN, PASSWORD))
