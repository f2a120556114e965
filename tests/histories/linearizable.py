"""Is a history of concurrent operations linearizable? (Herlihy and Wing, 1990)

It is if each operation can be given one moment between its call and its return at which it took effect as a whole, so that
the operations in the order of these moments are what one single object would have answered. The search is that of Wing and
Gong (1993) with the memory of Lowe (2017): a set of done operations that led to a state before is not tried again. Keys are
objects of their own, so each is checked by itself (Horn and Kroening, 2015).

    check(operations, Words()) -> Verdict

An operation that has no return (its process was killed, or the outcome is unknown) may take effect at any time after its call, or
never. One that is known to have failed had no effect and is no part of a history.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, Protocol

MAX_STEPS = 2_000_000
"""Of one key. A search that needs more is undecided, which is not the same as wrong."""


@dataclass(frozen=True, slots=True)
class Operation:
    key: Hashable
    kind: str
    argument: Any
    result: Any
    called: float
    returned: float | None
    """None: there was no answer."""
    client: str = ""


class Model(Protocol):
    initial: Hashable

    def apply(self, state: Any, kind: str, argument: Any) -> tuple[Any, Hashable]:
        """What the operation answers in this state, and the state after it."""

    def plausible(self, operations: list[Operation]) -> Callable[[Any], bool]:
        """Whether a state that an operation without an answer made could be one of this history; True where that is not
        known. It spares the search what no answer will ever confirm."""


class Register:
    """A value that is read, written, and swapped for another if it is as expected."""

    initial: Hashable = None

    def apply(self, state: Any, kind: str, argument: Any) -> tuple[Any, Hashable]:
        match kind:
            case "read":
                return state, state
            case "write":
                return None, argument
            case "swap":
                expected, new = argument
                return (True, new) if state == expected else (False, state)
        raise ValueError(kind)

    def plausible(self, operations: list[Operation]) -> Callable[[Any], bool]:
        return lambda state: True


class Words:
    """A list of words: `append` answers the list that it made, `append_at` does if the list has that length and answers it
    as it is if not, `take` answers the list and empties it. Every answer tells the whole state, so a lost, doubled or late
    operation shows at once.
    """

    initial: Hashable = ()

    def apply(self, state: Any, kind: str, argument: Any) -> tuple[Any, Hashable]:
        match kind:
            case "read" | "read_in_commit":
                return state, state
            case "append":
                return (*state, argument), (*state, argument)
            case "append_at":
                length, word = argument
                after = (*state, word) if len(state) == length else state
                return after, after
            case "take":
                return state, ()
        raise ValueError(kind)

    def plausible(self, operations: list[Operation]) -> Callable[[Any], bool]:
        """The beginnings of all answers: what an unanswered `append` made is seen by the next answer, or it was taken by
        another unanswered operation before, and then it need not have happened."""
        beginnings = {
            operation.result[:length]
            for operation in operations
            if operation.returned is not None
            for length in range(len(operation.result) + 1)
        }
        return lambda state: not state or state in beginnings


@dataclass(frozen=True)
class Verdict:
    operations: int
    keys: int
    steps: int
    violations: dict[Hashable, str] = field(default_factory=dict)
    """By key, the longest explanation that was found and where it ends."""
    undecided: tuple[Hashable, ...] = ()

    @property
    def is_linearizable(self) -> bool:
        return not self.violations and not self.undecided


def check(operations: Iterable[Operation], model: Model, *, max_steps: int = MAX_STEPS) -> Verdict:
    by_key: dict[Hashable, list[Operation]] = defaultdict(list)
    for operation in operations:
        by_key[operation.key].append(operation)
    violations, undecided, steps = {}, [], 0
    for key, of_key in by_key.items():
        search = _Search(of_key, model, max_steps)
        outcome = search.run()
        steps += search.steps
        if outcome is None:
            undecided.append(key)
        elif not outcome:
            violations[key] = search.explanation()
    return Verdict(sum(map(len, by_key.values())), len(by_key), steps, violations, tuple(undecided))


class _Search:
    """Depth first over one key. `answered` are the operations that returned, `open` those that did not, each by their call."""

    def __init__(self, operations: list[Operation], model: Model, max_steps: int) -> None:
        in_order = sorted(operations, key=lambda operation: operation.called)
        self.answered = [operation for operation in in_order if operation.returned is not None]
        self.open = [operation for operation in in_order if operation.returned is None]
        self.model = model
        self.plausible = model.plausible(in_order)
        self.max_steps = max_steps
        self.steps = 0
        self._longest: list[Operation] = []
        self._longest_at: tuple[int, int, Any] = (0, 0, None)

    def run(self) -> bool | None:
        """Whether there is an order; None if the steps did not suffice to say."""
        here = (
            0,
            0,
            self.model.initial,
        )  # bits: which of `answered`, and which of `open`, have taken effect; the state
        everything = (1 << len(self.answered)) - 1
        order: list[Operation] = []
        seen = {here}
        stack = [(here, self._after(*here))]
        while stack:
            here, ways = stack[-1]
            if here[0] == everything:
                return True
            for operation, there in ways:
                if self.steps > self.max_steps:
                    return None
                if there in seen:
                    continue
                seen.add(there)
                order.append(operation)
                stack.append((there, self._after(*there)))
                if operation.returned is not None and len(order) > len(self._longest):
                    self._longest, self._longest_at = list(order), there
                break
            else:
                stack.pop()
                if order:
                    order.pop()
        return False

    def _after(self, done: int, taken: int, state: Any) -> Iterator[tuple[Operation, tuple[int, int, Any]]]:
        """The ways on from here. An answer that fits and changes nothing is the only way: to take it later helps nobody.
        Operations without an answer come last, since they need not take effect at all."""
        ends, candidates = self._candidates(done)
        ways = []
        for number, operation in candidates:
            self.steps += 1
            answer, after = self.model.apply(state, operation.kind, operation.argument)
            if answer == operation.result:
                way = (operation, (done | 1 << number, taken, after))
                if after == state:
                    yield way
                    return
                ways.append(way)
        yield from ways
        for number, operation in enumerate(self.open):
            if operation.called > ends:
                break
            self.steps += 1
            if not taken >> number & 1:
                _, after = self.model.apply(state, operation.kind, operation.argument)
                if after != state and self.plausible(after):
                    yield operation, (done, taken | 1 << number, after)

    def _candidates(self, done: int) -> tuple[float, list[tuple[int, Operation]]]:
        """What is left and was called before any other that is left had returned; and when the first of those returned."""
        ends, found = float("inf"), []
        for number in range(_lowest_zero(done), len(self.answered)):
            operation = self.answered[number]
            if operation.called > ends:
                break
            if not done >> number & 1:
                ends = min(ends, operation.returned)
                found.append((number, operation))
        return ends, [(number, operation) for number, operation in found if operation.called <= ends]

    def explanation(self) -> str:
        stuck = [operation for _, operation in self._candidates(self._longest_at[0])[1]]
        lines = [f"{len(self._longest)} operations can be put in order, the last of them:"]
        lines += [f"  {_line(operation)}" for operation in self._longest[-6:]]
        lines += ["after which none of these could have been answered as it was:"]
        lines += [f"  {_line(operation)}" for operation in stuck[:12]]
        return "\n".join(lines)


def _lowest_zero(bits: int) -> int:
    return (~bits & (bits + 1)).bit_length() - 1


def _line(operation: Operation) -> str:
    end = "no answer" if operation.returned is None else f"{operation.returned:.6f}"
    asked = "" if operation.argument is None else f" {operation.argument!r}"
    return f"{operation.called:.6f} to {end} {operation.client} {operation.kind}{asked} -> {operation.result!r}"
