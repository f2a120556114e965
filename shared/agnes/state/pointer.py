"""Pointers: what a process knows of a file's head, and how lately it asked."""

from __future__ import annotations

import threading
from dataclasses import dataclass

from agnes.kernel.errors import AgnesError
from agnes.kernel.ports import Blob, Clock, NotModified, ObjectStore, Version
from agnes.state.head import Head, head_key


@dataclass(frozen=True, slots=True)
class Known:
    """A head as the store has it."""

    head: Head
    version: Version | None
    """None for what takes the place of a head that is missing (agnes.state.repair)."""

    @property
    def generation(self) -> int:
        return self.head.generation


class Pointer:
    """The newest head of one file that this process has met. Safe for several threads."""

    def __init__(self, store: ObjectStore, file: str, *, clock: Clock, max_stale_seconds: float) -> None:
        self._store = store
        self._key = head_key(file)
        self._clock = clock
        self._max_stale_seconds = max_stale_seconds
        self._known: Known | None = None
        self._checked_at = float("-inf")
        self._looks = 0
        self._failed: tuple[AgnesError, float] | None = None
        """The error of the last look, and when it was asked for."""
        self._asking = threading.Lock()

    def fresh(self, at_least: int = 0) -> Known | None:
        """The head, at most `max_stale_seconds` old, and asked for again if it is older than generation `at_least`.

        None when there is no file. A generation that nobody made is answered with the newest there is.
        """
        arrived = self._clock.monotonic()
        known, looks = self._known, self._looks
        if known and known.generation >= at_least and self._is_fresh(arrived):
            return known
        with self._asking:  # threads that arrive meanwhile use the same answer, if it was asked for late enough
            if self._is_fresh(arrived) and self._known and self._known.generation >= at_least:
                return self._known
            if self._failed and self._looks != looks and self._failed[1] > arrived - self._max_stale_seconds:
                raise self._failed[0]
            return self._ask()

    def needs_look(self, at_least: int = 0) -> bool:
        """Whether `fresh` would ask the store now, and nobody is asking it yet."""
        known = self._known
        is_known = known is not None and known.generation >= at_least and self._is_fresh(self._clock.monotonic())
        return not is_known and not self._asking.locked()

    def outdate(self) -> None:
        """Let the next read ask the store, however lately it was asked."""
        self._checked_at = float("-inf")

    def lately(self, seconds: float) -> Known | None:
        """The head, if it was asked for within the last `seconds`, and within the staleness window."""
        is_fresh = self._checked_at > self._clock.monotonic() - min(seconds, self._max_stale_seconds)
        return self._known if is_fresh else None

    def refresh(self) -> Known | None:
        """The head as the store has it now."""
        with self._asking:
            return self._ask()

    def learn(self, head: Head, version: Version) -> Known:
        """Take over a head that this process has published itself."""
        known = Known(head, version)
        self._advance(known)
        return known

    def _is_fresh(self, arrived: float) -> bool:
        return self._checked_at > arrived - self._max_stale_seconds

    def _ask(self) -> Known | None:
        asked_at = self._clock.monotonic()
        try:
            self._take(self._known)
        except AgnesError as error:
            self._failed = error, asked_at
            raise
        finally:
            self._looks += 1
        self._failed, self._checked_at = None, asked_at
        return self._known

    def _take(self, known: Known | None) -> None:
        """Ask the store for what is newer than `known`."""
        version = known.version if known else None
        found = self._store.read_if_changed(self._key, version) if version else self._store.read(self._key)
        if isinstance(found, Blob):
            self._advance(Known(Head.decode(self._key, found.body), found.version))
        elif not isinstance(found, NotModified):
            self._known = None

    def _advance(self, known: Known) -> None:
        """Answers may overtake one another; generations only grow."""
        if self._known is None or known.generation >= self._known.generation:
            self._known = known
