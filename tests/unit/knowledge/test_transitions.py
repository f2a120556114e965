"""The table of states, for every state and every event."""

from __future__ import annotations

import itertools

import pytest

from agnes.knowledge.transitions import (
    COMPARED,
    DISTRIBUTED,
    DONE,
    LABELS,
    NEW,
    OF_ADMINS,
    TRANSITIONS,
    WITH_REASON,
    Event,
    EventRefused,
    Status,
    after,
    allowed,
)

ALL = list(itertools.product([NEW, *Status], Event))


@pytest.mark.parametrize(("status", "event"), ALL)
def test_every_event_in_every_state_moves_or_is_refused(status: str, event: Event) -> None:
    if (status, event) in TRANSITIONS:
        assert event in allowed(status)
        assert after(status, event) in Status
    else:
        with pytest.raises(EventRefused) as refused:
            after(status, event)
        assert refused.value.code == f"cannot_{event}"


def test_nothing_but_a_decision_or_a_setting_distributes() -> None:
    for (status, event), to in TRANSITIONS.items():
        if to in DISTRIBUTED and status not in DISTRIBUTED:
            assert event in OF_ADMINS or (status, event) == (NEW, Event.PUBLISH)


def test_the_designed_graph() -> None:
    designed = {
        "pending": {"approved", "mandatory", "rejected"},
        "approved": {"mandatory", "rejected"},
        "mandatory": {"approved", "revoked"},
        "rejected": {"approved"},
        "revoked": {"approved", "mandatory"},
        "expired": {"approved", "mandatory", "rejected"},
    }
    for status, wanted in designed.items():
        reached = {str(to) for (from_, event), to in TRANSITIONS.items() if from_ == status and event in OF_ADMINS}
        assert wanted <= reached, status


def test_every_state_is_left_and_has_its_words() -> None:
    for status in Status:
        assert allowed(status), status
        assert LABELS[status]
    assert set(DONE) == set(Event)
    assert WITH_REASON < OF_ADMINS
    assert DISTRIBUTED < COMPARED


def test_every_state_is_reached_from_a_new_item() -> None:
    reached, before = {NEW}, set()
    while reached != before:
        before = set(reached)
        reached |= {str(to) for (status, _), to in TRANSITIONS.items() if status in before}
    assert reached == {NEW, *map(str, Status)}
