"""Lines of the audit as objects, and those that are written once in 60 seconds."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest

from agnes.kernel import audit
from agnes.kernel.errors import UnavailableError
from agnes.kernel.state import CURRENT_ACTOR, Actor, Change
from agnes.outside.object_store.memory import MemoryStore

NOW = datetime(2026, 11, 23, 9, 0, 50, tzinfo=UTC)
READ = Change("activity.read", "audit:", {"limit": 50})


@pytest.fixture(autouse=True)
def ada():
    token = CURRENT_ACTOR.set(Actor("u1", "ada@example.com", "web", "192.0.2.7", "r1"))
    yield
    CURRENT_ACTOR.reset(token)


def lines(store) -> list[dict]:
    return [json.loads(store.read(entry.key).body) for entry in store.list("audit/")]


def test_a_line_has_the_columns_of_the_audit_tables():
    store = MemoryStore()
    audit.record(store, Change("usage.ask", "usage:", {"question": "é?"}), now=NOW, result="error.invalid_sql")
    [entry] = store.list("audit/")
    assert entry.key.startswith("audit/usage_ask/day=2026-11-23/")
    [line] = lines(store)
    assert list(line) == [
        *("at", "id", "user_id", "email", "client_kind", "client_ip", "request_id"),
        *("action", "resource", "params", "before", "result", "duration_ms"),
    ]
    assert (line["result"], line["params"], line["email"]) == (
        "error.invalid_sql",
        {"question": "é?"},
        "ada@example.com",
    )


@pytest.mark.parametrize(
    ("seconds", "written"),
    [(0, False), (5, False), (15, False), (59, False), (60, True), (125, True)],
)
@pytest.mark.parametrize("same_process", [True, False])
def test_once_in_sixty_seconds_whoever_answers(seconds, written, same_process):
    store = MemoryStore()
    assert audit.record_once(store, READ, now=NOW)
    if not same_process:
        audit._told.clear()
    assert audit.record_once(store, READ, now=NOW + timedelta(seconds=seconds)) is written
    assert len(lines(store)) == 1 + written


def test_another_person_or_another_filter_is_another_line():
    store = MemoryStore()
    assert audit.record_once(store, READ, now=NOW)
    assert audit.record_once(store, Change("activity.read", "audit:", {"limit": 60}), now=NOW)
    CURRENT_ACTOR.set(Actor("u2", "bob@example.com"))
    assert audit.record_once(store, READ, now=NOW)
    assert len({line["id"] for line in lines(store)}) == 3


def test_what_was_not_written_is_not_remembered():
    class Away(MemoryStore):
        away = True

        def write(self, key, body, **kwargs):
            if self.away:
                raise UnavailableError("gone")
            return super().write(key, body, **kwargs)

    store = Away()
    with pytest.raises(UnavailableError):
        audit.record_once(store, READ, now=NOW)
    store.away = False
    assert audit.record_once(store, READ, now=NOW)
