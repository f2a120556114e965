"""A backlog goes to a queue: several consumers read side by side, one at a time publishes, and nothing is lost or doubled."""

from __future__ import annotations

import json
import random
from concurrent.futures import ThreadPoolExecutor

import pytest

from agnes.kernel.ports import ANYTHING, Message
from agnes.telemetry import keys, service
from agnes.telemetry.extraction import inbox, redaction, upkeep
from agnes.telemetry.extraction.tick import CHAINED, CHAINS, ExtractionRun, messages_of
from agnes.telemetry.model import Limits
from tests.builders.transcripts import Transcript
from tests.unit.telemetry.killing_store import Killed, KillingStore
from tests.unit.telemetry.plant import USER, Plant

pytestmark = pytest.mark.slow

SMALL = Limits(fan_out_at=0, batch_notes=2)
LATER = 21 * 60


class ListQueue:
    """Messages that were sent, for a test to deliver: in order, again, or never."""

    def __init__(self) -> None:
        self.sent: list[str] = []

    def send(self, messages) -> None:
        for message in messages:
            assert isinstance(message, Message)
            assert message.queue == "telemetry-extract"
            self.sent.append(message.body["batch"])


class Chained:
    def __init__(self) -> None:
        self.waiting: list[dict] = []

    def send(self, messages) -> None:
        self.waiting += [message.body for message in messages]


def session(number: int) -> str:
    return f"00000000-0000-4000-8000-{number:012d}"


def work(number: int, times: int = 1) -> bytes:
    t = Transcript(session(number), rng=random.Random(number))
    t.prompt("Go")
    for _ in range(times):
        t.result(t.use("Skill", skill="finops:forecast"), "Launching")
    return t.body()


def run(plant: Plant, queue: ListQueue | None = None, limits: Limits = SMALL) -> ExtractionRun:
    return plant.made(limits=limits, queue=queue)


def backlog(plant: Plant, sessions: int = 6) -> None:
    for number in range(sessions):
        plant.upload(work(number, number + 1), session(number), user=f"user{number % 2}")
    plant.upload(work(0), session(0), agent="a1", user="user0")


@pytest.fixture(scope="module")
def expected(tmp_path_factory):
    plant = Plant(tmp_path_factory.mktemp("by-itself"))
    backlog(plant)
    plant.run()
    yield plant.tables()
    plant.state.close()


@pytest.fixture
def plant(tmp_path):
    plant = Plant(tmp_path)
    yield plant
    plant.state.close()


def is_clean(plant: Plant) -> bool:
    return plant.keys("inbox/") == plant.keys("telemetry/prepared/") == []


def test_consumers_give_what_one_run_gives(plant, expected):
    backlog(plant)
    queue = ListQueue()
    report = run(plant, queue).run()
    assert (report.notes, report.sent, report.sessions, report.left) == (7, 4, 0, 7)
    assert run(plant, queue).run().sent == 0  # what is underway is not sent twice
    first, *others = queue.sent
    run(plant).run_batch(first)
    assert plant.rows("SELECT count(*) FROM telemetry.sessions") == [(0,)]  # the last of them publishes
    for batch in others:
        run(plant).run_batch(batch)
    assert plant.rows("SELECT count(*) FROM telemetry.sessions") == [(6,)]
    assert plant.run().sessions == 1  # whose subagent's note was in another batch
    assert plant.tables() == expected
    assert is_clean(plant)
    for batch in queue.sent:  # delivered again
        assert run(plant).run_batch(batch).sessions == 0
    assert plant.tables() == expected


@pytest.mark.parametrize("batches", [1, CHAINS - 1, CHAINS, CHAINS + 1, 1000, CHAINS * CHAINED, CHAINS * CHAINED + 1])
def test_a_backlog_is_worked_on_by_a_few_at_once(batches):
    ids = [f"{number:026d}" for number in range(batches)]
    messages = messages_of(ids)
    assert sorted(one for message in messages for one in (message.body["batch"], *message.body.get("then", ()))) == ids
    assert len(messages) == (min(batches, CHAINS) if batches <= CHAINS * CHAINED else CHAINS + 1)
    assert max(len(json.dumps(message.body)) for message in messages) * 10 < 256 * 1024


def test_whoever_has_done_a_batch_sends_the_next(plant):
    backlog(plant)
    batches = ListQueue()
    run(plant, batches).run()
    queue, chain = Chained(), list(batches.sent)
    assert len(chain) > 2
    queue.send([Message("telemetry-extract", {"batch": chain[0], "then": chain[1:]})])
    done = []
    while queue.waiting:
        assert len(queue.waiting) == 1, "one at a time of this chain"
        body = queue.waiting.pop()
        done.append(body["batch"])
        asked = (plant.state, plant.store, queue, body["batch"], body.get("then", ()))
        service.extract_queued(*asked, clock=plant.clock)
    assert done == chain
    assert plant.rows("SELECT count(*) FROM telemetry.sessions") == [(6,)]
    assert plant.keys("inbox/batches/") == []


def test_a_batch_that_fails_sends_nothing_after_it(plant):
    backlog(plant)
    batches = ListQueue()
    run(plant, batches).run()
    queue = Chained()
    store = KillingStore(plant.store)
    store.kill_at = 0
    with pytest.raises(Killed):
        service.extract_queued(plant.state, store, queue, batches.sent[0], batches.sent[1:], clock=plant.clock)
    assert queue.waiting == []


def test_consumers_side_by_side(plant, expected):
    backlog(plant)
    queue = ListQueue()
    run(plant, queue).run()
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda batch: run(plant).run_batch(batch), [*queue.sent, *queue.sent]))
    run(plant, queue, Limits()).run()
    assert plant.tables() == expected
    assert is_clean(plant)


def test_a_session_in_two_batches_and_a_batch_in_two_hands(plant, expected):
    """Both were read before either was published: one reading counts, and the other's notes are looked at again."""
    backlog(plant)
    run(plant, ListQueue()).run()
    waiting = inbox.batches(plant.store, plant.keys(keys.BATCHES))
    for batch in (*waiting, waiting[0]):
        run(plant)._prepare(batch)
    assert len(plant.keys("telemetry/prepared/")) == 5
    report = plant.run()
    assert report.left == 1  # of the subagent's file, which is in the last batch
    assert plant.run().sessions == 1
    assert plant.tables() == expected
    assert is_clean(plant)


def test_a_lost_message_is_sent_again(plant, expected):
    backlog(plant)
    queue = ListQueue()
    run(plant, queue).run()
    lost, queue.sent = queue.sent[0], queue.sent[1:]
    for batch in queue.sent:
        run(plant).run_batch(batch)
    plant.clock.sleep(LATER)
    assert run(plant, queue).run().sent == 1
    assert queue.sent[-1] == lost
    run(plant).run_batch(lost)
    plant_tables = plant.tables()
    assert plant_tables["windows"] == expected["windows"]
    assert is_clean(plant)


def test_a_session_that_moved_on_is_not_put_back(plant):
    """It was read for a batch, grew, and was published by another run before the batch was."""
    plant.upload(work(1), session(1))
    queue = ListQueue()
    run(plant, queue).run()
    one = run(plant)
    (batch,) = inbox.batches(plant.store, plant.keys(keys.BATCHES))
    one._prepare(batch)
    held = {
        key: plant.memory.read(key).body for key in plant.keys("inbox/prepared/") + plant.keys("telemetry/prepared/")
    }
    plant.memory.remove(held)
    plant.upload(work(1, times=3), session(1))
    plant.run()
    assert plant.plugin("finops")["invocations_30d"] == 3
    for key, body in held.items():
        plant.memory.write(key, body, expect=ANYTHING)
    plant.run()
    assert plant.plugin("finops")["invocations_30d"] == 3
    assert is_clean(plant)


def test_what_is_prepared_of_a_redacted_session_goes(plant):
    plant.upload(work(1), session(1))
    plant.upload(work(2, times=2), session(2))
    run(plant, ListQueue()).run()
    (batch,) = inbox.batches(plant.store, plant.keys(keys.BATCHES))
    run(plant)._prepare(batch)
    assert plant.keys("telemetry/prepared/") != []
    redaction.redact_session(plant.state, plant.store, USER, session(1), clock=plant.clock)
    assert plant.keys("telemetry/prepared/") == []
    plant.run()
    assert plant.plugin("finops")["invocations_30d"] == 2
    assert plant.rows("SELECT session_id FROM telemetry.sessions") == [(session(2),)]
    assert is_clean(plant)


class BuryingStore:
    """Somebody redacts session 1 when the first prepared file is about to be written."""

    def __init__(self, inner) -> None:
        self._inner = inner
        self.then = None

    def write(self, key, body, **kwargs):
        if key.startswith("telemetry/prepared/") and self.then:
            then, self.then = self.then, None
            then()
        return self._inner.write(key, body, **kwargs)

    def __getattr__(self, name):
        return getattr(self._inner, name)


def test_a_redaction_while_a_consumer_reads(tmp_path):
    plant = Plant(tmp_path, wrap=BuryingStore)
    plant.upload(work(1), session(1))
    plant.upload(work(2, times=2), session(2))
    run(plant, ListQueue()).run()
    plant.store.then = lambda: redaction.redact_session(plant.state, plant.store, USER, session(1), clock=plant.clock)
    (batch,) = inbox.batches(plant.store, plant.keys(keys.BATCHES))
    run(plant).run_batch(batch.id)
    assert plant.keys("telemetry/prepared/") == []
    plant.run()
    assert plant.plugin("finops")["invocations_30d"] == 2
    assert is_clean(plant)
    plant.state.close()


def test_a_reprocessing_fans_out_and_swaps_at_once(plant):
    backlog(plant)
    plant.run()
    tables = plant.tables()
    plant.clock.sleep(60)
    upkeep.reprocess(plant.state, clock=plant.clock)
    queue = ListQueue()
    assert run(plant, queue).run().sent == 3
    assert run(plant, queue).run().sent == 0
    for batch in queue.sent[:-1]:
        run(plant).run_batch(batch)
    assert plant.rows(
        "SELECT count(*) FROM telemetry.sessions, telemetry.progress WHERE extracted_at > reprocess_before"
    ) == [(0,)]
    run(plant).run_batch(queue.sent[-1])
    assert plant.rows(
        "SELECT count(*) FROM telemetry.sessions, telemetry.progress WHERE extracted_at < reprocess_before"
    ) == [(0,)]
    assert plant.tables() == tables
    assert is_clean(plant)


def test_what_a_consumer_leaves_aside_after_the_swap_is_removed(plant):
    """Its message was delivered twice, and it died before it could see that all was done."""
    backlog(plant)
    plant.run()
    plant.clock.sleep(60)
    upkeep.reprocess(plant.state, clock=plant.clock)
    queue = ListQueue()
    run(plant, queue).run()
    late = inbox.batches(plant.store, [keys.batch(queue.sent[0])])[0]
    for batch in queue.sent:
        run(plant).run_batch(batch)
    tables = plant.tables()
    run(plant)._prepare(late)
    assert plant.keys("inbox/") != []
    run(plant, queue).run()
    assert is_clean(plant)
    assert plant.tables() == tables


@pytest.mark.slow
def test_killed_at_every_step(tmp_path, expected):
    """Tick and consumers, each killed once; later ticks and what they send again bring the rest to its end."""
    number, calls = 0, 1
    while number < calls:
        plant = Plant(tmp_path / str(number), wrap=KillingStore)
        backlog(plant)
        queue = ListQueue()
        plant.store.arm(number)
        try:
            run(plant, queue).run()
            for batch in queue.sent:
                run(plant).run_batch(batch)
            calls = len(plant.store.log)
        except Killed:
            pass
        plant.store.arm(None)
        for _ in range(4):
            plant.reborn()
            plant.clock.sleep(LATER)
            sent, queue.sent = queue.sent, []
            run(plant, queue).run()
            for batch in {*sent, *queue.sent}:
                run(plant).run_batch(batch)
            if is_clean(plant):
                break
        assert is_clean(plant), number
        assert plant.tables()["windows"] == expected["windows"], number
        assert plant.rows("SELECT count(*), sum(events)::INT FROM telemetry.sessions") == [
            (len(expected["sessions"]), sum(row[3] for row in expected["sessions"]))
        ]
        plant.state.close()
        number += 3
