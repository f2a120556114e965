"""Shared knowledge with 10,000 items: what requests take, by processor time of this process, what the detector asks the store
when nothing is new, and how fast sessions are read and packed for the model."""

from __future__ import annotations

import random
import tempfile
import time
from collections.abc import Callable
from dataclasses import fields
from datetime import timedelta
from functools import partial
from pathlib import Path

from agnes.claude_code import versions
from agnes.kernel.clock import SystemClock
from agnes.kernel.ids import new_ulid
from agnes.kernel.state import Tx
from agnes.knowledge import conversation, detecting, packing
from agnes.knowledge.context import Knowledge
from agnes.knowledge.model import EVERYONE, FILE, Item
from agnes.knowledge.spending import Judge
from agnes.outside.object_store.memory import MemoryStore
from agnes.outside.scanners import scanners
from tests.builders import real_transcripts
from tests.builders.faulty_store import Fault, FaultyStore
from tests.builders.house import House
from tests.builders.market import QueueHere
from tests.builders.people import Person, add_person, seed_admin
from tests.builders.verified import ScriptedModel

ITEMS, SESSIONS, PASSES = 10_000, 1_000, 15
SYLLABLES = tuple(a + b + c for a in "bdfgklmnprst" for b in "aeiou" for c in ("", "n", "r", "st"))
Emit = Callable[..., None]


def run(emit: Emit) -> None:
    with tempfile.TemporaryDirectory(dir=Path.cwd()) as folder:
        store = FaultyStore(MemoryStore(), lambda *_: Fault.NONE, clock=SystemClock())
        with House(Path(folder), store=store) as house:
            ada = seed_admin(house)
            bob = add_person(house, ada, "bob@example.com", name="Bob")
            words = fill(house)
            _requests(emit, house, ada, bob, words)
            _idle_detector(emit, house, store)
            house.state.close()
    _packed(emit)


def fill(house: House) -> list[str]:
    """10,000 items of 300 people, four of five distributed; the words that they are made of."""
    rng, now = random.Random(19), house.clock.now()
    words = ["".join(rng.choice(SYLLABLES) for _ in range(rng.randint(2, 4))) for _ in range(6000)]
    names = [one.name for one in fields(Item)]
    marks = f"({', '.join('?' * len(names))})"

    def item(number: int) -> Item:
        at = now - timedelta(minutes=rng.randint(0, 200_000))
        status = rng.choices(["approved", "pending", "rejected", "mandatory"], [80, 15, 4.9, 0.1])[0]
        title, content = (" ".join(rng.choices(words, k=count)) for count in (4, 25))
        return Item(
            new_ulid(at), f"{title} {number}", content, "", rng.choice(["finance", "data", ""]), rng.choices(words, k=1), [], status,
            "session", f"u{number % 300}", EVERYONE, [], False, None, None, None, None, "", "", at, 1, at, at,
        )  # fmt: skip

    def write(tx: Tx) -> None:
        for _ in range(ITEMS // 500):
            rows = [item(number) for number in range(500)]
            tx.db.execute(
                f"INSERT INTO knowledge.items ({', '.join(names)}) VALUES {', '.join([marks] * len(rows))}",
                [getattr(row, name) for row in rows for name in names],
            )
        tx.db.execute(
            """INSERT INTO knowledge.evidence (id, item_id, user_id, session_id, turn, kind, quote, quote_sha256, seen_at)
            SELECT id || 'e', id, author_id, id, '', 'correction', 'a quote', id, created_at FROM knowledge.items"""
        )

    house.state.commit(FILE, write)
    return words


def _requests(emit: Emit, house: House, ada: Person, bob: Person, words: list[str]) -> None:
    rng = random.Random(7)
    asked = (
        ("knowledge_bundle", "/api/knowledge/bundle", bob, 20),
        ("knowledge_page", "/knowledge", bob, 15),
        ("knowledge_page_mine", "/knowledge?show=mine", bob, 15),
        ("knowledge_admin_queue", "/admin/knowledge", ada, 15),
        ("knowledge_admin_all", "/admin/knowledge?show=all", ada, 15),
        ("knowledge_admin_help", "/admin/knowledge?show=help", ada, 15),
        ("knowledge_search_word", f"/api/knowledge?q={rng.choice(words)}&limit=25", bob, 20),
        ("knowledge_search_two_words", f"/api/knowledge?q={rng.choice(words)}+{rng.choice(words)}&limit=25", bob, 20),
        ("knowledge_search_prefix", "/api/knowledge?q=bora&limit=25", bob, 20),
        ("knowledge_search_typo", f"/api/knowledge?q={rng.choice(words)[::-1]}&limit=25", bob, 20),
    )
    for name, path, who, aim in asked:
        given = {"token": who.token} if path.startswith("/api") else {"cookie": who.cookie}
        emit(name=name, value=_least(partial(house.get, path, **given)), unit="ms CPU", better="lower", aim=aim)


def _idle_detector(emit: Emit, house: House, store: FaultyStore) -> None:
    judge = Judge(ScriptedModel(), "haiku")
    wiring = house.wiring

    def idle() -> detecting.Report:
        k = Knowledge(wiring.state, wiring.store, wiring.clock, wiring.scanners)
        house.clock.sleep(60)  # beyond what a state file may be stale
        return detecting.run(k, judge, QueueHere(), now=house.clock.now(), quiet=timedelta(minutes=15))

    idle()
    before = len(store.trace)
    idle()
    emit(name="knowledge_detector_idle_calls", value=len(store.trace) - before, unit="calls", better="lower", aim=3)
    emit(name="knowledge_detector_idle", value=_least(idle), unit="ms CPU", better="lower", aim=50)


def _packed(emit: Emit) -> None:
    """The recorded transcripts of both clients, over and over: read, scrubbed and packed; the model's time is not in it."""
    bodies = [
        real_transcripts.main_file(name, version).read_bytes()
        for version in (versions.OLDEST, versions.NEWEST)
        for name in real_transcripts.NAMES
    ]
    bodies = (bodies * (SESSIONS // len(bodies) + 1))[:SESSIONS]
    began, sent, given = time.process_time(), 0, scanners()
    for body in bodies:
        chunks = packing.pack(conversation.turns(body), (), given)
        sent += sum(packing.tokens(turn.text) for chunk in chunks for turn in chunk.turns)
    seconds, size = time.process_time() - began, sum(map(len, bodies))
    emit(name="knowledge_sessions_packed", value=size / seconds / 1e6, unit="MB/s CPU", better="higher", aim=50)
    emit(
        name="knowledge_sent_share",
        value=sent * packing.BYTES_A_TOKEN / size,
        unit="of the transcripts' bytes",
        better="lower",
        aim=0.1,
    )


def _least(call: Callable[[], object]) -> float:
    """Milliseconds of processor time, the least of several passes."""
    call()
    found = []
    for _ in range(PASSES):
        began = time.process_time()
        call()
        found.append(time.process_time() - began)
    return min(found) * 1000
