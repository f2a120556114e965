"""From the files of a session to its events and summary. Pure: the same bytes give the same rows.

A session is always extracted whole, from all of its files: so a result that arrives in a later upload flips the
error of its call, and a session that is sent again replaces itself. docs/telemetry.md has the rules.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta

from agnes.kernel.garbage import no_garbage_collection
from agnes.telemetry.extraction import served as names
from agnes.telemetry.extraction import spending, standing
from agnes.telemetry.extraction.bill import ClientBill
from agnes.telemetry.extraction.identifiers import bounded, make_storable
from agnes.telemetry.extraction.in_force import Caused, count_for
from agnes.telemetry.extraction.naming import MAX_MODELS, MAX_NAMES, Names
from agnes.telemetry.extraction.reading import MAX_EVENTS, Reading, SessionKey, TooMuch
from agnes.telemetry.extraction.records import Lenience, lines
from agnes.telemetry.extraction.responses import Known
from agnes.telemetry.extraction.served import Served
from agnes.telemetry.extraction.summary import Taken, summarise
from agnes.telemetry.model import Event, Extraction, FileReport, TranscriptFile

__all__ = ["MAX_EVENTS", "SessionKey", "extract", "refused"]

MAX_DAYS = 200
"""UTC days that one session may have events on; each day costs an object."""

_FEW_DAYS = timedelta(days=MAX_DAYS - 1)
"""A shorter time has days enough for no session to be refused."""

MAX_LINES = 500_000
"""Of one session, without blank ones. A session of MAX_EVENTS has some three lines an event."""


def extract(files: Iterable[TranscriptFile], key: SessionKey, served: Served) -> Extraction:
    """The events of a session, whose own file comes first; each is read before the next is asked for.

    A file that cannot be counted has a `reason` in its report, and no events.
    """
    session = Session(key, served)
    with no_garbage_collection():
        reports = [session.read(file) for file in files]
        return session.result(reports)


class Session:
    """What the files of a session add up to. Millions of lines pass here, so what costs a microsecond is written out."""

    def __init__(self, key: SessionKey, served: Served) -> None:
        self.key = key
        self.served = served
        self.events: dict[str, Event] = {}
        self.messages: dict[tuple[str | None, ...] | str, Event] = {}
        """Responses by what tells them apart."""
        self.unnumbered: Known = {}
        self.iterations: dict[str, tuple[Event, bytes]] = {}
        """Responses within which there may be tokens of another price."""
        self.bill = ClientBill()
        self.calls: dict[str, list[Event]] = {}
        """Events by the id of the tool use, for its result."""
        self.failed: set[str] = set()
        self.times: list[datetime] = []
        self.clean = Names(MAX_NAMES)
        self.models = Names(MAX_MODELS)
        self.refused = ""
        """Why nothing of the session counts."""
        self.is_without_times = False
        """Whether a file has events and no time: they happened when it was received."""
        self.lines = 0
        self.lenience = Lenience()
        self.caused: Caused = {}
        self.listings: dict[str, str] = {}
        """Texts of the listings that responses refer to, by hash."""
        self.unnamed: list[Event] = []
        """Calls of a skill by its bare name, of which the client did not say whose it is."""

    def read(self, file: TranscriptFile) -> FileReport:
        report = FileReport(file.file, len(file.body))
        if self.refused:
            return report
        reading = Reading(self, file)
        try:
            for some in lines(file.body, self.lenience):
                self.lines += len(some.records)
                if self.lines > MAX_LINES:
                    raise TooMuch("too_many_lines")
                report.skipped_lines += reading.take(some, report.lines + 1)
                report.lines += len(some.records)
        except TooMuch as exc:
            self.refused = str(exc)
        self.is_without_times |= reading.finish()
        if report.lines == report.skipped_lines:
            report.reason = "no_records" if report.lines else "empty"
        return report

    def result(self, reports: list[FileReport]) -> Extraction:
        make_storable([*self.events.values(), *self.messages.values()])
        for tool_id in self.failed:
            for event in self.calls.get(tool_id, ()):
                event.is_error = True
        for event in self.unnamed:
            if not event.is_error:
                count_for(event, self.served.only(event.skill_name, names.SKILL, names.COMMAND))
        if self.refused:
            return refused(reports, self.refused)
        beside = [one for event, raw in self.iterations.values() for one in spending.iterations(event, raw)]
        for event in beside:
            event.event_id = bounded(event.event_id)
            event.model = self.models[event.model]
        for event, _ in self.iterations.values():
            event.model = self.models[event.model]
        if len(self.events) + len(self.messages) + len(beside) > MAX_EVENTS * 2:
            return refused(reports, "too_many_events")
        standing.settle(self.messages.values(), self.listings)
        events = [*self.events.values(), *self.messages.values(), *beside]
        taken = Taken(self.messages.values(), beside)
        if taken.rates > spending.MAX_RATES:
            spending.bound_rates(self.messages.values())
            taken = Taken(self.messages.values(), beside)
        summary = summarise(self.events.values(), taken, {event.cwd for event in events}, self.times)
        self.bill.compare(taken, summary)
        extraction = Extraction(events, summary, reports)
        first, last = summary.started_at, summary.ended_at
        if first and last and last - first < _FEW_DAYS and not self.is_without_times:
            return extraction
        return extraction if len(extraction.days) <= MAX_DAYS else refused(reports, "too_many_days")


def refused(reports: list[FileReport], reason: str) -> Extraction:
    """Nothing of a session counts, for one reason."""
    for report in reports:
        report.reason = reason
    return Extraction(files=reports)
