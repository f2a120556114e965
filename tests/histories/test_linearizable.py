"""The checker by itself: histories that are known to be right or wrong, and all small ones against trying every order."""

from __future__ import annotations

import itertools
from random import Random

import pytest

from tests.histories.linearizable import Model, Operation, Register, Words, check


def op(client, kind, argument, result, called, returned, key="k") -> Operation:
    return Operation(key, kind, argument, result, called, returned, client)


RIGHT = {
    "nothing": [],
    "one after another": [op("a", "write", 1, None, 0, 1), op("b", "read", None, 1, 2, 3)],
    "a read beside a write sees the old value": [op("a", "write", 1, None, 0, 9), op("b", "read", None, None, 1, 2)],
    "a read beside a write sees the new value": [op("a", "write", 1, None, 0, 9), op("b", "read", None, 1, 1, 2)],
    "two writes at once in either order": [
        op("a", "write", 1, None, 0, 5),
        op("b", "write", 2, None, 0, 5),
        op("c", "read", None, 2, 6, 7),
        op("c", "read", None, 2, 8, 9),
    ],
    "an unanswered write that happened late": [
        op("a", "write", 1, None, 0, None),
        op("b", "read", None, None, 5, 6),
        op("b", "read", None, 1, 7, 8),
    ],
    "an unanswered write that never happened": [
        op("a", "write", 1, None, 0, None),
        op("b", "read", None, None, 5, 6),
    ],
    "a swap that lost": [
        op("a", "write", 1, None, 0, 1),
        op("b", "swap", (None, 2), False, 2, 3),
        op("b", "swap", (1, 3), True, 4, 5),
        op("c", "read", None, 3, 6, 7),
    ],
    "two keys that would not be one object": [
        op("a", "write", 1, None, 0, 1, key="x"),
        op("b", "read", None, None, 2, 3, key="y"),
    ],
    "the moment that one ends and another begins is shared": [
        op("a", "write", 1, None, 0, 1),
        op("b", "read", None, None, 1, 2),
    ],
}
WRONG = {
    "a stale read": [op("a", "write", 1, None, 0, 1), op("b", "read", None, None, 2, 3)],
    "a value that nobody wrote": [op("b", "read", None, 7, 2, 3)],
    "a read that goes back": [
        op("a", "write", 1, None, 0, 9),
        op("b", "read", None, 1, 1, 2),
        op("c", "read", None, None, 3, 4),
    ],
    "two readers that disagree about an order": [
        op("a", "write", 1, None, 0, 3),
        op("b", "write", 2, None, 0, 3),
        op("c", "read", None, 1, 4, 5),
        op("d", "read", None, 2, 6, 7),
    ],
    "two swaps that both won": [
        op("a", "swap", (None, 1), True, 0, 5),
        op("b", "swap", (None, 2), True, 0, 5),
    ],
    "an unanswered write that happened before it was called": [
        op("b", "read", None, 1, 0, 1),
        op("a", "write", 1, None, 2, None),
    ],
    "an unanswered write that was undone": [
        op("a", "write", 1, None, 0, None),
        op("b", "read", None, 1, 2, 3),
        op("b", "read", None, None, 4, 5),
    ],
}
WRONG_WORDS = {
    "a lost update": [
        op("a", "append", "x", ("x",), 0, 1),
        op("b", "append", "y", ("y",), 2, 3),
    ],
    "a doubled operation": [
        op("a", "append", "x", ("x",), 0, 1),
        op("b", "read", None, ("x", "x"), 2, 3),
    ],
    "an unanswered operation that was doubled": [
        op("a", "append", "x", None, 0, None),
        op("b", "read", None, ("x", "x"), 2, 3),
    ],
    "what was taken is there again": [
        op("a", "append", "x", ("x",), 0, 1),
        op("b", "take", None, ("x",), 2, 3),
        op("c", "take", None, ("x",), 4, 5),
    ],
    "an acknowledged operation that is gone at the end": [
        op("a", "append", "x", ("x",), 0, 1),
        op("auditor", "read", None, (), 2, 3),
    ],
}


@pytest.mark.parametrize("name", RIGHT)
def test_right(name):
    assert check(RIGHT[name], Register()).is_linearizable


@pytest.mark.parametrize("name", WRONG)
def test_wrong(name):
    verdict = check(WRONG[name], Register())
    assert list(verdict.violations) == ["k"]
    assert "could have been answered" in verdict.violations["k"]


@pytest.mark.parametrize("name", WRONG_WORDS)
def test_wrong_words(name):
    assert list(check(WRONG_WORDS[name], Words()).violations) == ["k"]


def test_small_histories_as_by_trying_every_order():
    """5,000 histories of up to five operations with answers drawn at random: most are wrong, and some are right."""
    rng = Random(20261130)
    outcomes = {True: 0, False: 0}
    for _ in range(5_000):
        history = [drawn(rng, n) for n in range(rng.randrange(1, 6))]
        expected = explained(history, Register())
        assert check(history, Register()).is_linearizable == expected, history
        outcomes[expected] += 1
    assert min(outcomes.values()) > 500, outcomes


def drawn(rng: Random, n: int) -> Operation:
    kind = rng.choice(["read", "read", "write", "swap"])
    value = lambda: rng.choice([None, 1, 2])  # noqa: E731
    argument = {"read": None, "write": rng.choice([1, 2]), "swap": (value(), rng.choice([1, 2]))}[kind]
    result = {"read": value(), "write": None, "swap": rng.random() < 0.5}[kind]
    called = rng.randrange(6)
    return op(f"c{n}", kind, argument, result, called, None if rng.random() < 0.2 else called + rng.randrange(1, 5))


def explained(history: list[Operation], model: Model) -> bool:
    """By every subset of what was not answered, in every order."""
    answered = [o for o in history if o.returned is not None]
    unanswered = [o for o in history if o.returned is None]
    return any(
        fits(order, model)
        for count in range(len(unanswered) + 1)
        for some in itertools.combinations(unanswered, count)
        for order in itertools.permutations([*answered, *some])
    )


def fits(order: tuple[Operation, ...], model: Model) -> bool:
    for earlier, later in itertools.combinations(order, 2):
        if later.returned is not None and later.returned < earlier.called:
            return False
    state = model.initial
    for o in order:
        answer, state = model.apply(state, o.kind, o.argument)
        if o.returned is not None and answer != o.result:
            return False
    return True


def history_of(rng: Random, *, clients: int = 16, operations: int = 600) -> list[Operation]:
    """A right history: each client's operations take effect at a moment within their time, in one list of words.
    One in forty has no answer, and half of those no effect."""
    moments = []
    for client in range(clients):
        now = rng.random()
        for n in range(operations // clients):
            called = now + rng.random() * 0.2
            effect = called + rng.random()
            returned = effect + rng.random()
            moments.append((effect, called, returned, f"{client}", f"{client}-{n}"))
            now = returned
    state, history = (), []
    for _, called, returned, client, word in sorted(moments):
        kind = rng.choices(["append", "read", "append_at", "take"], [5, 5, 2, 1])[0]
        argument = {"append": word, "append_at": (len(state) + rng.choice([0, 0, 1]), word)}.get(kind)
        no_answer = rng.random() < 1 / 40
        if not (no_answer and rng.random() < 0.5):
            answer, state = Words().apply(state, kind, argument)
        result = None if no_answer else answer
        history.append(op(client, kind, argument, result, called, None if no_answer else returned))
    return history


@pytest.mark.parametrize("seed", range(5))
def test_long_histories_of_sixteen_clients(seed):
    verdict = check(history_of(Random(seed)), Words())
    assert verdict.is_linearizable
    assert verdict.operations > 500


def lose_an_update(rng: Random, history: list[Operation]) -> list[Operation]:
    """One acknowledged word is in no answer but its own."""
    done = [o for o in history if o.kind == "append" and o.returned is not None]
    victim = rng.choice([o for o in done if any(o.argument in (p.result or ()) for p in later(history, o))])
    return [without(o, victim.argument) if o is not victim and isinstance(o.result, tuple) else o for o in history]


def read_stale(rng: Random, history: list[Operation]) -> list[Operation]:
    """One read answers what was there before a word that had been acknowledged when it was called."""
    reads = [o for o in history if o.kind == "read" and o.returned is not None and len(o.result or ()) > 1]
    acknowledged = {o.argument: o.returned for o in history if o.kind == "append" and o.returned is not None}
    victim = rng.choice([o for o in reads if acknowledged.get(o.result[-1], o.called) < o.called])
    return [changed(o, o.result[:-1]) if o is victim else o for o in history]


def double(rng: Random, history: list[Operation]) -> list[Operation]:
    """One word is there twice from some read on."""
    reads = [o for o in history if o.kind == "read" and o.returned is not None and o.result]
    victim = rng.choice(reads)
    return [changed(o, (*o.result, o.result[-1])) if o is victim else o for o in history]


def later(history: list[Operation], than: Operation) -> list[Operation]:
    return [o for o in history if isinstance(o.result, tuple) and o.called > than.returned]


def without(o: Operation, word: str) -> Operation:
    return changed(o, tuple(w for w in o.result if w != word))


def changed(o: Operation, result: tuple) -> Operation:
    return Operation(o.key, o.kind, o.argument, result, o.called, o.returned, o.client)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("mutate", [lose_an_update, read_stale, double], ids=lambda mutate: mutate.__name__)
def test_one_fault_in_a_long_history_is_found(mutate, seed):
    rng = Random(seed)
    history = mutate(rng, history_of(rng))
    verdict = check(history, Words())
    assert list(verdict.violations) == ["k"], verdict.undecided


def test_a_search_that_is_cut_short_says_so():
    verdict = check(history_of(Random(1)), Words(), max_steps=10)
    assert (verdict.is_linearizable, verdict.violations, verdict.undecided) == (False, {}, ("k",))
