"""The table of states, for every state and every event."""

from __future__ import annotations

import itertools

import pytest

from agnes.flea.transitions import (
    DONE,
    LABELS,
    NEW,
    OPEN,
    REFUSED,
    SERVABLE,
    TRANSITIONS,
    Effect,
    Event,
    EventRefused,
    Status,
    after,
    allowed,
)

ALL = list(itertools.product([NEW, *Status], Event))


@pytest.mark.parametrize(("status", "event"), ALL)
def test_every_event_in_every_state_is_told_or_refused(status: str, event: Event) -> None:
    if (status, event) in TRANSITIONS:
        assert event in allowed(status)
        assert after(status, event).to in Status
    else:
        with pytest.raises(EventRefused) as refused:
            after(status, event, by="ada@example.com")
        assert refused.value.code == f"cannot_{event}_status:{status}"
        assert "ada@example.com" in refused.value.message


def test_only_what_may_be_served_is_promoted_and_only_what_was_served_is_hidden() -> None:
    for (status, _), transition in TRANSITIONS.items():
        assert (transition.effect is Effect.PROMOTE) <= (transition.to in SERVABLE)
        if transition.effect is Effect.HIDE:
            assert status in SERVABLE
            assert transition.to is Status.QUARANTINED
        if transition.to in SERVABLE and status not in SERVABLE:
            assert transition.effect is Effect.PROMOTE


def test_a_machine_never_approves_what_a_rule_or_a_person_stopped() -> None:
    by_itself = {Event.REVIEW_CLEAN, Event.RESCAN_CLEAN, Event.SUBMIT_CLEAN}
    for (status, event), transition in TRANSITIONS.items():
        if event in by_itself and transition.effect is Effect.PROMOTE:
            assert status in (NEW, Status.PENDING_LLM)


def test_what_was_stopped_by_a_rule_needs_a_reason_to_be_served() -> None:
    for status in (Status.BLOCKED_INLINE, Status.BLOCKED_LLM, Status.REJECTED):
        assert Event.APPROVE not in allowed(status)
        assert Event.OVERRIDE in allowed(status)


def test_every_state_is_reached_and_has_words() -> None:
    assert {transition.to for transition in TRANSITIONS.values()} == set(Status)
    assert set(LABELS) == set(Status)
    assert set(DONE) == set(Event)
    assert OPEN | REFUSED | SERVABLE | {Status.QUARANTINED} == set(Status)


def test_the_owner_can_leave_every_state_that_is_not_served_and_not_final() -> None:
    for status in (OPEN | REFUSED) - {Status.WITHDRAWN}:
        assert Event.WITHDRAW in allowed(status)
    for status in REFUSED - {Status.WITHDRAWN}:
        assert Event.APPEAL in allowed(status)
