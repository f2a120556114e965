"""Calls that take as long as the longest of them."""

from __future__ import annotations

from contextvars import ContextVar
from threading import Barrier, Event

import pytest

from agnes.kernel.side_by_side import side_by_side
from tests.builders.patience import PATIENCE_SECONDS

WHO: ContextVar[str] = ContextVar("who", default="nobody")


def test_they_run_at_the_same_time_and_answer_in_their_order() -> None:
    met = Barrier(3, timeout=PATIENCE_SECONDS)

    def call(name: str) -> str:
        met.wait()  # breaks if one of them waits for another to end
        return name

    assert side_by_side(lambda: call("a"), lambda: call("b"), lambda: call("c")) == ["a", "b", "c"]
    assert side_by_side(lambda: "alone") == ["alone"]
    assert side_by_side() == []


def test_each_has_the_context_of_who_asked() -> None:
    token = WHO.set("Mira")
    try:
        assert side_by_side(WHO.get, WHO.get, WHO.get) == ["Mira"] * 3
    finally:
        WHO.reset(token)


@pytest.mark.parametrize("failing", [(0,), (1,), (2,), (0, 2), (1, 2), (0, 1, 2)])
def test_all_have_ended_and_the_first_failure_is_raised(failing: tuple[int, ...]) -> None:
    ended = [Event(), Event(), Event()]

    def call(number: int) -> int:
        try:
            if number in failing:
                raise LookupError(number)
            return number
        finally:
            ended[number].set()

    with pytest.raises(LookupError, match=str(failing[0])):
        side_by_side(lambda: call(0), lambda: call(1), lambda: call(2))
    assert all(event.is_set() for event in ended)
