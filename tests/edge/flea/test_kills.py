"""Processes that die at every call of the store, and two who work at once: there is everything of a step or nothing of it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Self

import pytest

from agnes import checks
from agnes.checks import ChunkRead
from agnes.kernel.ports import Expect, Message, Version
from agnes.outside.object_store.memory import MemoryStore
from tests.builders.archives import SKILL, packed
from tests.builders.house import Answer, House
from tests.builders.market import FleaMarket, QueueHere, ScriptedReviewer
from tests.builders.people import Person, add_person, seed_admin

pytestmark = pytest.mark.slow
FIRST, SECOND = packed({"SKILL.md": SKILL}), packed({"SKILL.md": SKILL + "\nMore.\n"})


class Died(BaseException):
    """The process is gone: nothing catches this."""


class MortalStore(MemoryStore):
    """Dies at the call of a number, before or after it has acted."""

    def __init__(self) -> None:
        super().__init__()
        self.calls = self.changes = 0
        self.dies_at: int | None = None
        self.acts = False

    def _call(self, act: Callable[[], Any], *, changes: bool) -> Any:
        self.calls += 1
        if self.dies_at is None or self.calls < self.dies_at:
            self.changes += changes
            return act()
        if self.calls == self.dies_at and self.acts:
            self.changes += changes
            act()
        raise Died

    def read(self, key: str) -> Any:
        return self._call(lambda: MemoryStore.read(self, key), changes=False)

    def read_if_changed(self, key: str, version: Version) -> Any:
        return self._call(lambda: MemoryStore.read_if_changed(self, key, version), changes=False)

    def write(self, key: str, body: Any, *, expect: Expect, content_type: str = "") -> Any:
        def act() -> Any:
            return MemoryStore.write(self, key, body, expect=expect, content_type=content_type)

        return self._call(act, changes=True)

    def remove(self, keys: Any) -> None:
        self._call(lambda: MemoryStore.remove(self, keys), changes=True)


class KilledInstallation:
    """A house that can die and be started again over what its store holds."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.store, self.starts = folder, MortalStore(), 0
        self.queue, self.reviewer = QueueHere(), ScriptedReviewer()
        self._process = ExitStack()

    def __enter__(self) -> Self:
        with ExitStack() as undo:
            undo.callback(self.stop)
            self.start()
            self.ada = seed_admin(self.market.house)
            self.bob = add_person(self.market.house, self.ada, "bob@example.com")
            undo.pop_all()
        return self

    def __exit__(self, *exc: object) -> None:
        self.stop()

    def start(self) -> None:
        self.starts += 1
        self.house = self._process.enter_context(
            House(self.folder / str(self.starts), store=self.store, queue=self.queue, flea_reviewer=self.reviewer)
        )
        self.market = FleaMarket(self.house, self.queue, self.reviewer)

    def stop(self) -> None:
        """End the process, if one runs."""
        self._process.close()

    def keep(self) -> dict[str, Any]:
        return dict(self.store._held)

    def back_to(self, kept: dict[str, Any]) -> None:
        """The store as it was, and a new process over it."""
        self.stop()
        self.store._held = dict(kept)
        self.queue.sent.clear()
        self.start()

    def dying(self, number: int, act: Callable[[], Answer], *, acts: bool) -> Answer | None:
        """What `act` answers, None if the process died of it; then there is a new one."""
        self.store.calls = self.store.changes = 0
        self.store.dies_at, self.store.acts = number, acts
        try:
            return act()
        except Died:
            return None
        finally:
            self.store.dies_at = None
            self.stop()
            self.start()

    def left(self) -> tuple[int, int]:
        """What the dead process did to what outlives it: changes of the store, and messages sent."""
        return self.store.changes, len(self.queue.sent)


@pytest.fixture
def killed(tmp_path: Path) -> Iterator[KilledInstallation]:
    with KilledInstallation(tmp_path) as killed:
        yield killed


def deaths(killed: KilledInstallation, act: Callable[[], Answer], check: Callable[[Answer | None], None]) -> int:
    """Let `act` die at each of its calls, before and after it; how many calls it has.

    Every death begins from the same store. So two that have done equally much leave the same behind (a death before a read
    and one after it), and what is left behind is checked once.
    """
    kept, number, checked = killed.keep(), 0, set()
    while True:
        number += 1
        for acts in (False, True):
            killed.back_to(kept)
            answer = killed.dying(number, act, acts=acts)
            left = killed.left()
            if answer is not None or left not in checked:
                checked.add(left)
                check(answer)
        if answer is not None:
            assert len(checked) > 2, "it dies between its changes, too"
            return number - 1


def test_create(killed: KilledInstallation) -> None:
    def check(answer: Answer | None) -> None:
        market = killed.market
        found = market.house.get("/api/store/mine", token=killed.bob.token).json()
        assert [one["entity"]["name"] for one in found] in ([], ["notes"])
        assert all(len(one["versions"]) == 1 for one in found)
        assert answer is None or (answer.status == 201 and len(found) == 1)
        again = market.share(killed.bob, FIRST)
        assert again.status == (409 if found else 201), again.text
        market.house.clock.sleep(660)
        market.run("cron_reap")  # whose message was lost
        assert market.review() == []
        [one] = market.house.get("/api/store/mine", token=killed.bob.token).json()
        assert (one["label"], one["versions"][0]["is_live"]) == ("Active", True)

    assert deaths(killed, lambda: killed.market.share(killed.bob, FIRST), check) > 8


def test_approve(killed: KilledInstallation) -> None:
    killed.reviewer.verdict = checks.Review(
        checks.Verdict.WAITING, checks.Reason.NO_KEY, None, "", (), "", 0, (), killed.reviewer.verdict.tokens, None
    )
    entity = killed.market.share(killed.bob, FIRST).json()["id"]
    killed.market.review()
    submission = killed.market.versions(killed.bob, entity)[0]["submission_id"]

    def check(answer: Answer | None) -> None:
        market = killed.market
        row = market.entity(killed.ada, entity)
        assert row["visibility_status"] in ("pending", "approved")
        assert (row["submission_id"] == submission) == (row["visibility_status"] == "approved")
        again = market.decide(killed.ada, submission, "approve")
        assert again.status == (409 if row["visibility_status"] == "approved" else 200), again.text
        assert answer is None or answer.status == 200
        inside = f"/api/marketplace/flea/{entity}/skill/notes-by-bob"
        assert market.house.get(inside, token=killed.bob.token).status == 200

    assert deaths(killed, lambda: killed.market.decide(killed.ada, submission, "approve"), check) > 3


def test_restore(killed: KilledInstallation) -> None:
    entity = killed.market.shared(killed.bob, FIRST)
    killed.market.update(killed.bob, entity, SECOND)
    killed.market.review()
    live = killed.market.entity(killed.bob, entity)
    path = f"/api/store/entities/{entity}/versions/1/restore"

    def check(answer: Answer | None) -> None:
        market = killed.market
        assert market.entity(killed.bob, entity)["version"] == live["version"], "what is live is not touched"
        versions = market.versions(killed.bob, entity)
        assert len(versions) in (2, 3)
        assert answer is None or (answer.status == 200 and len(versions) == 3)
        again = market.house.post(path, token=killed.bob.token)
        assert again.status == (409 if len(versions) == 3 else 200), again.text
        market.house.clock.sleep(660)
        market.run("cron_reap")
        assert market.review() == []
        row = market.entity(killed.bob, entity)
        assert (row["version_no"], row["version"] != live["version"]) == (3, True)

    assert deaths(killed, lambda: killed.market.house.post(path, token=killed.bob.token), check) > 5


class Second(ScriptedReviewer):
    """While it reads, another worker gets the same message; after so many seconds of its own reading."""

    market: FleaMarket
    seconds: float = 0.0
    depth = 0
    messages: list[Message]

    def review(
        self, bundle: checks.Bundle, report: checks.Report, *, budget: checks.Budget, earlier: list[ChunkRead]
    ) -> checks.Review:  # fmt: skip
        self.depth += 1
        if self.depth == 1:
            self.market.house.clock.sleep(self.seconds)
            self.market.queue.sent[:] = self.messages
            assert self.market.review() == []
        return super().review(bundle, report, budget=budget, earlier=earlier)


@pytest.mark.parametrize(("seconds", "reads"), [(0.0, 1), (301.0, 2)], ids=["a lease that holds", "a lease that ended"])
def test_two_workers_at_one_submission(market: FleaMarket, bob: Person, seconds: float, reads: int) -> None:
    second = Second()
    second.market, second.seconds = market, seconds
    market.house.wiring.flea_reviewer = second
    entity = market.share(bob, FIRST).json()["id"]
    second.messages = list(market.queue.sent)
    assert market.review() == []
    assert len(second.seen) == reads
    assert [one["status"] for one in market.versions(bob, entity)] == ["approved"]
    with market.house.state.read("flea") as db:
        told = [row[0] for row in db.execute("SELECT action FROM flea.audit ORDER BY id").fetchall()]
    assert told.count("store.submission.approved") == 1
    assert told.count("store.submission.bg_verdict_skipped") == reads - 1


def test_two_admins_at_once(market: FleaMarket, ada: Person, bob: Person) -> None:
    market.house.wiring.flea_reviewer = market.reviewer
    entity = market.share(bob, FIRST).json()["id"]
    submission = market.versions(bob, entity)[0]["submission_id"]
    answers: dict[str, Answer] = {}
    barrier = threading.Barrier(2)

    def decide(action: str) -> None:
        barrier.wait()
        answers[action] = market.decide(ada, submission, action, "Because of this.")

    threads = [threading.Thread(target=decide, args=(action,)) for action in ("approve", "reject")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(answer.status for answer in answers.values()) == [200, 409]
    won = next(action for action, answer in answers.items() if answer.status == 200)
    assert market.versions(bob, entity)[0]["status"] == {"approve": "approved", "reject": "rejected"}[won]
