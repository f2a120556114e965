"""Sessions: what a client has seen and made travels with it, so that it reads its own writes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field


@dataclass(slots=True)
class Session:
    """Generations by file. `expect` came with the request, `made` goes back with its answer."""

    expect: dict[str, int] = field(default_factory=dict)
    made: dict[str, int] = field(default_factory=dict)

    def at_least(self, file: str) -> int:
        return max(self.expect.get(file, 0), self.made.get(file, 0))

    def note(self, file: str, generation: int) -> None:
        self.made[file] = max(generation, self.made.get(file, 0))


_CURRENT: ContextVar[Session | None] = ContextVar("state_session", default=None)


def current() -> Session | None:
    return _CURRENT.get()


@contextmanager
def opened(expect: Mapping[str, int] | None = None) -> Iterator[Session]:
    session = Session(dict(expect or {}))
    token = _CURRENT.set(session)
    try:
        yield session
    finally:
        _CURRENT.reset(token)
