"""What is counted of a person is what is stored, whoever dies and whoever comes first; quotas say what to do."""

from __future__ import annotations

import itertools
import random
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import UTC, datetime, timedelta

import pytest

from agnes.kernel.errors import AgnesError
from agnes.kernel.ports import ANYTHING
from agnes.outside.object_store.memory import MemoryStore
from agnes.telemetry import keys
from agnes.telemetry.keys import TranscriptId
from agnes.telemetry.transcripts import packed, quotas, uploads
from agnes.telemetry.transcripts.quotas import Counting, DayQuotaReached, Limits, StorageFull
from tests.unit.telemetry.killing_store import Killed, KillingStore

NOW = datetime(2026, 11, 30, 22, 0, tzinfo=UTC)
USER = "mira"


def which(number: int, file: str = "main") -> TranscriptId:
    return TranscriptId(USER, f"00000000-0000-4000-8000-{number:012d}", file)


def body(size: int, seed: int = 0) -> bytes:
    """A transcript that is about so many bytes when it is packed."""
    text = random.Random(seed).randbytes(size).hex()
    return packed.pack(
        f'{{"type":"user","timestamp":"2026-11-30T10:00:00Z","message":{{"content":"{text}"}}}}\n'.encode()
    )


def stored(store) -> tuple[int, int]:
    """(bytes, sessions) that are there."""
    found = list(store.list(f"sessions/{USER}/"))
    return sum(entry.size_bytes for entry in found), len({entry.key.split("/")[2] for entry in found})


def counted(store, now: datetime = NOW) -> tuple[int, int]:
    found = quotas.storage(store, USER, quotas.UNLIMITED, now=now)
    return found.stored_bytes, found.sessions


def publish(store, of: TranscriptId, content: bytes, *, limits: Limits = quotas.UNLIMITED, now: datetime = NOW) -> str:
    return uploads.publish(store, of, content, now=now, limits=limits)[0]


def test_what_is_stored_is_counted():
    store = MemoryStore()
    publish(store, which(1), body(100))
    publish(store, which(1, "a1"), body(50))
    publish(store, which(2), body(70))
    assert counted(store) == stored(store)
    publish(store, which(2), body(300))  # grown
    publish(store, which(2), body(300))  # the same again
    publish(store, which(1), body(20, seed=3))  # smaller
    assert counted(store) == stored(store)
    found = quotas.storage(store, USER, quotas.UNLIMITED, now=NOW)
    assert (found.sessions, found.today_sessions) == (2, 2)
    assert found.today_bytes >= found.stored_bytes
    tomorrow = quotas.storage(store, USER, quotas.UNLIMITED, now=NOW + timedelta(days=1))
    assert (tomorrow.today_bytes, tomorrow.today_sessions, tomorrow.sessions) == (0, 0, 2)


def test_what_was_stored_before_there_were_quotas_is_counted():
    store = MemoryStore()
    for number in range(3):
        store.write(which(number).key, body(40, number), expect=ANYTHING)
    assert counted(store) == stored(store)
    publish(store, which(9), body(10))
    assert counted(store) == stored(store)
    store.write(keys.quota(USER), b"\x00no json", expect=ANYTHING)
    publish(store, which(10), body(10))
    assert counted(store) == stored(store)


def test_a_day_has_its_limit_and_says_when_it_ends():
    store, limits = MemoryStore(), Limits(day_sessions=2)
    publish(store, which(1), body(10), limits=limits)
    publish(store, which(2), body(10), limits=limits)
    with pytest.raises(DayQuotaReached) as refused:
        publish(store, which(3), body(10), limits=limits)
    assert refused.value.retry_after_seconds == 2 * 3600
    assert "2 sessions a day" in refused.value.message
    assert "agnes push" in refused.value.hint
    publish(store, which(2), body(400), limits=limits)  # what is there may grow
    assert counted(store) == stored(store) == (stored(store)[0], 2)
    assert publish(store, which(3), body(10), limits=limits, now=NOW + timedelta(hours=3)) == uploads.STORED


@pytest.mark.parametrize("limits", [Limits(day_bytes=600), Limits(total_bytes=600), Limits(total_sessions=1)])
def test_more_than_a_limit_is_refused_and_changes_nothing(limits):
    store = MemoryStore()
    publish(store, which(1), body(200), limits=limits)
    before = stored(store), counted(store)
    with pytest.raises((DayQuotaReached, StorageFull)) as refused:
        publish(store, which(2), body(400), limits=limits)
    assert refused.value.status == (429 if limits.day_bytes else 413)
    assert (stored(store), counted(store)) == before


def test_the_first_of_a_day_is_taken_whatever_its_size():
    store = MemoryStore()
    assert publish(store, which(1), body(5000), limits=Limits(day_bytes=100)) == uploads.STORED
    with pytest.raises(DayQuotaReached):
        quotas.require_room(store, which(1), Limits(day_bytes=100), now=NOW)


def test_two_at_once_cannot_both_have_the_last_of_a_quota():
    store, limits = MemoryStore(), Limits(total_sessions=5)

    def one(number: int) -> str:
        try:
            return publish(store, which(number), body(50, number), limits=limits)
        except AgnesError as exc:
            return exc.code

    with ThreadPoolExecutor(4) as pool:
        outcomes = list(pool.map(one, range(12)))
    assert sorted(outcomes) == ["storage_full"] * 7 + ["stored"] * 5
    assert counted(store) == stored(store)


@pytest.mark.parametrize("seed", range(12))
def test_uploads_of_the_same_files_side_by_side_are_counted_once(seed):
    store, rng = MemoryStore(), random.Random(seed)
    work = [
        (which(rng.randrange(3), rng.choice(["main", "a1"])), body(rng.randrange(10, 400), rng.randrange(4)))
        for _ in range(24)
    ]

    def one(given: tuple[TranscriptId, bytes]) -> None:
        with suppress(AgnesError):  # too much at once: it was not acknowledged
            publish(store, *given)

    with ThreadPoolExecutor(6) as pool:
        list(pool.map(one, work))
    later = NOW + timedelta(hours=1)
    publish(store, which(8), body(10), now=later)
    publish(store, which(9), body(10), now=later + timedelta(hours=1))  # what was left open is settled
    assert counted(store, later + timedelta(hours=2)) == stored(store)


@pytest.mark.parametrize("after", [False, True])
def test_killed_at_any_call_of_the_store_it_becomes_right_again(after):
    for call in itertools.count():
        inner = MemoryStore()
        publish(inner, which(1), body(100))
        killing = KillingStore(inner)
        killing.arm(call, after=after)
        try:
            publish(killing, which(2), body(200))
            publish(killing, which(1), body(300))
            with quotas.removing(killing, USER, now=NOW) as removed:
                entries = list(killing.list(f"sessions/{USER}/{which(2).session_id}/"))
                killing.remove([entry.key for entry in entries])
                removed(entries)
        except Killed:
            later = NOW + timedelta(minutes=20)
            publish(inner, which(3), body(20), now=later)
            assert counted(inner, later) == stored(inner), f"killed at call {call}"
        else:
            assert counted(inner) == stored(inner)
            break
    assert call > 15


def test_a_session_has_a_bounded_number_of_files():
    store = MemoryStore()
    publish(store, which(1), body(10))
    for number in range(quotas.MAX_SESSION_FILES - 1):
        store.write(which(1, f"a{number}").key, b"x", expect=ANYTHING)
    with pytest.raises(quotas.SessionTooManyFiles):
        publish(store, which(1, "b"), body(10))
    assert publish(store, which(1), body(90)) == uploads.STORED


def test_an_upload_lists_no_more_than_its_own_session():
    listed: list[str] = []

    class Watching(MemoryStore):
        def list(self, prefix: str, *, after: str = ""):
            listed.append(prefix)
            return super().list(prefix, after=after)

    store = Watching()
    publish(store, which(1), body(10))  # the first of a person looks for what was there before
    listed.clear()
    publish(store, which(2), body(10))
    publish(store, which(2), body(90))
    assert set(listed) == {f"sessions/{USER}/{which(2).session_id}/"}


def test_nothing_is_left_open_by_an_upload_that_ended():
    store = MemoryStore()
    counting = Counting(store, which(1), quotas.UNLIMITED, now=NOW)
    counting.count(500)
    assert counted(store) == (500, 1)
    counting.settle()
    assert counted(store) == (0, 0)
