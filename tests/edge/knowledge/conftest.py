from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from agnes.kernel.principal import Principal
from agnes.knowledge import detecting
from agnes.knowledge.context import Knowledge
from agnes.knowledge.detecting import Report
from agnes.knowledge.model import Item, Rules
from agnes.knowledge.repository import items
from agnes.knowledge.spending import Judge
from tests.builders.house import House
from tests.builders.market import QueueHere
from tests.builders.people import Person, add_person, seed_admin, sign_in
from tests.builders.telemetry_house import run_usage, upload
from tests.builders.verified import Case, ScriptedModel

QUIET = timedelta(minutes=15)


@dataclass
class Library:
    """The knowledge of a house, with sessions that people send and a model that is the test's."""

    house: House
    ada: Person
    model: ScriptedModel = field(default_factory=ScriptedModel)
    queue: QueueHere = field(default_factory=QueueHere)
    rules: Rules = field(default_factory=Rules)
    day_usd: float = 0.0
    users: dict[str, Person] = field(default_factory=dict)

    @property
    def k(self) -> Knowledge:
        wiring = self.house.wiring
        return Knowledge(wiring.state, wiring.store, wiring.clock, wiring.scanners, self.rules)

    @property
    def judge(self) -> Judge:
        return Judge(self.model, "haiku", self.day_usd)

    def person(self, name: str, **more: Any) -> Person:
        if name not in self.users:
            self.users[name] = add_person(self.house, self.ada, f"{name}@example.com", name=name.title(), **more)
        return self.users[name]

    def principal(self, name: str) -> Principal:
        """As the edge resolves a person who is in no group of their own."""
        who = self.person(name)
        return Principal(who.id, who.email, name.title())

    def sign_in_again(self) -> None:
        """After days have passed."""
        self.ada = sign_in(self.house, self.ada.email)
        self.users = {name: sign_in(self.house, one.email) for name, one in self.users.items()}

    def send(self, who: Person, case: Case, body: bytes | None = None) -> None:
        """A session arrives and is extracted."""
        upload(self.house, who, case.session_id, case.body() if body is None else body)
        run_usage(self.house, self.ada)

    def pass_time(self, time: timedelta = QUIET + timedelta(minutes=1)) -> None:
        self.house.clock.sleep(time.total_seconds())

    def detect(self, **more: Any) -> Report:
        return detecting.run(self.k, self.judge, self.queue, now=self.house.clock.now(), quiet=QUIET, **more)

    def items(self) -> list[Item]:
        with self.house.state.read("knowledge") as db:
            return items(db)

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        with self.house.state.read("knowledge") as db:
            return db.execute(sql).fetchall()

    def found(self) -> set[tuple[str, str]]:
        """(kind, title) of every piece of evidence."""
        sql = "SELECT e.kind, i.title FROM knowledge.evidence e JOIN knowledge.items i ON i.id = e.item_id"
        return {(row[0], row[1]) for row in self.rows(sql)}


@pytest.fixture
def library(tmp_path: Path) -> Iterator[Library]:
    with House(tmp_path) as house:
        yield Library(house, seed_admin(house))
        house.state.close()
