"""Which records are lines of one response where no request's id tells: behind gateways and clouds that give none."""

from __future__ import annotations

from agnes.telemetry.extraction import spending
from agnes.telemetry.extraction.records import Message, Record
from agnes.telemetry.model import Event

TELLING_ID = 16
"""Characters that a response's id has at least if it can be told from any other. Some gateways give every response the same word."""

Known = dict[str, tuple[Event, str | None]]
"""Responses of a session, and their ids, by the `uuid` of each record."""


class Unnumbered:
    """Responses of one file whose records have no request's id."""

    __slots__ = ("_known", "_open", "segment", "turn")

    def __init__(self, known: Known) -> None:
        self._known = known
        self._open: dict[str, tuple[Event, int, int]] = {}
        """By their ids, with the segment and the turn of their last line."""
        self.segment = 0
        """How many records of the user there were: results and prompts."""
        self.turn = 0
        """How many of them were no results."""

    def find(self, record: Record, message: Message) -> Event | None:
        """The response that a record is another line of.

        It is, where it is a copy of a record of this session, follows another line of the response, or has its id and no result and no
        prompt is between. The client also writes a response's later calls after the results of its first ones: an id that
        can be told from others, and a prompt of the same length, are the same response until the next prompt.
        """
        known = self._known.get(record.uuid or "")
        if known is not None and known[1] == message.id:
            return known[0]
        if not message.id:
            return None
        known = self._known.get(record.parentUuid or "")
        if known is not None and known[1] == message.id:
            return known[0]
        event, segment, turn = self._open.get(message.id, (None, 0, 0))
        if event is None or segment == self.segment:
            return event
        if turn != self.turn or len(message.id) < TELLING_ID or message.usage is None:
            return None
        return event if spending.has_prompt_of(event, message.usage) else None

    def note(self, record: Record, message: Message, event: Event) -> None:
        """The record is a line of `event`."""
        if record.uuid:
            self._known[record.uuid] = event, message.id
        if message.id:
            self._open[message.id] = event, self.segment, self.turn
