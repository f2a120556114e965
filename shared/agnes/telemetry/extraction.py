"""From the files of a session to its events and summary. Pure: the same bytes give the same rows.

A session is always extracted whole, from all of its files: so a result that arrives in a later upload flips the
error of its call, and a session that is sent again replaces itself. Rules: spec/04 sections 4 to 6 and 17.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import blake2b
from itertools import pairwise

from msgspec import Raw

from agnes.telemetry import served as names
from agnes.telemetry.keys import MAIN
from agnes.telemetry.model import Event, EventType, Extraction, FileReport, Summary, TranscriptFile
from agnes.telemetry.records import MAX_TOKENS, Block, Lines, Message, Record, Usage, value_of
from agnes.telemetry.served import Item, Served

EARLIEST = datetime(2024, 1, 1, tzinfo=UTC)
"""No transcript is older than the client; an earlier time is a wrong one, and none is better than that."""

MAX_DAYS = 200
"""UTC days that one session may have events on; each day costs an object."""

IDLE_SECONDS = 600
SYNTHETIC_MODEL = "<synthetic>"

_COMMAND = re.compile(r"<command-name>/([A-Za-z][\w:-]*)</command-name>")
_NOT_TYPED = ("<local-command-", "<bash-stdout>", "<bash-stderr>", "[Request interrupted by user")
_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f\ud800-\udfff]")


@dataclass(frozen=True, slots=True)
class SessionKey:
    user_id: str
    session_id: str
    generation: str


def extract(files: Iterable[TranscriptFile], key: SessionKey, served: Served) -> Extraction:
    """The events of a session. A file that cannot be counted has a `reason` in its report, and no events."""
    session = _Session(key, served)
    reports = [session.read(file) for file in sorted(files, key=lambda file: (file.file != MAIN, file.file))]
    return session.result(reports)


class _Session:
    def __init__(self, key: SessionKey, served: Served) -> None:
        self._key = key
        self._served = served
        self._events: dict[str, Event] = {}
        self._messages: dict[str, Event] = {}
        self._calls: dict[str, list[Event]] = {}
        self._failed: set[str] = set()
        self._times: list[datetime] = []

    def read(self, file: TranscriptFile) -> FileReport:
        report = FileReport(file.file, len(file.body))
        lines = Lines(file.body)
        reading = _Reading(self, file)
        for record in lines:
            reading.take(record, lines.count)
        reading.date_undated()
        report.lines, report.skipped_lines = lines.count, lines.skipped
        if lines.count == lines.skipped:
            report.reason = "no_records" if lines.count else "empty"
        return report

    def result(self, reports: list[FileReport]) -> Extraction:
        for tool_id in self._failed:
            for event in self._calls.get(tool_id, ()):
                event.is_error = True
        events = [*self._events.values(), *self._messages.values()]
        days = {event.occurred_at.date() for event in events if event.occurred_at}
        if len(days) > MAX_DAYS:
            for report in reports:
                report.reason = "too_many_days"
            return Extraction(files=reports)
        return Extraction(events, summarise(events, self._times), reports)


class _Reading:
    """One file of a session, from its first line to its last."""

    def __init__(self, session: _Session, file: TranscriptFile) -> None:
        self._session = session
        self._served = session._served
        self._file = file
        self._agent_id = None if file.file == MAIN else file.file
        self._typed: dict[str, Event] = {}
        self._now: datetime | None = None
        self._undated: list[Event] = []
        self._first: datetime | None = None

    def take(self, record: Record, line: int) -> None:
        at = self._clamped(record.timestamp)
        if at is not None:
            self._session._times.append(at)
            self._first = self._first or at
            self._now = at
        message = record.message
        if record.type == "assistant" and message is not None:
            self._assistant(record, message, line)
        elif record.type == "user" and message is not None:
            self._user(record, message, line)
        elif record.type == "tool_use_result" and record.is_error:
            tool_id = record.tool_use_id or record.toolUseId
            if tool_id:
                self._session._failed.add(tool_id)

    def date_undated(self) -> None:
        """Events before the first time of the file happened no later than it."""
        for event in self._undated:
            event.occurred_at = self._first or self._file.received_at

    def _clamped(self, at: datetime | None) -> datetime | None:
        """Never after receipt, and none at all before there was a client; without a zone it is UTC."""
        if at is None:
            return None
        try:
            at = at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)
        except OverflowError:
            return None
        if at < EARLIEST:
            return None
        return min(at, self._file.received_at)

    def _user(self, record: Record, message: Message, line: int) -> None:
        content = message.content
        texts = [content] if isinstance(content, str) else []
        if isinstance(content, list):
            results = [block for block in content if block.type == "tool_result"]
            if results:
                self._session._failed.update(b.tool_use_id for b in results if b.is_error and b.tool_use_id)
                return
            texts = [
                said for block in content if block.type == "text" and isinstance(said := value_of(block.text), str)
            ]
        if not content or record.isMeta or record.isCompactSummary or self._sidechain(record):
            return
        if any(said.lstrip().startswith(_NOT_TYPED) for said in texts):
            return
        self._typed = {}
        self._add(self._event(record, EventType.PROMPT, line))
        for said in texts:
            if "<command-name>" in said:
                for name in _COMMAND.findall(said):
                    self._command(record, clean(name), line)

    def _command(self, record: Record, name: str | None, line: int) -> None:
        event = self._event(record, EventType.COMMAND, line, command=name)
        event.command_name = name
        self._count_for(event, self._served.item(name, names.SKILL, names.COMMAND))
        self._add(event)
        self._typed[name or ""] = event

    def _assistant(self, record: Record, message: Message, line: int) -> None:
        self._cost(record, message, line)
        if isinstance(message.content, list):
            for block in message.content:
                if block.type == "tool_use":
                    self._call(record, message, block, line)

    def _call(self, record: Record, message: Message, block: Block, line: int) -> None:
        tool = clean(block.name)
        kind, skill, subagent, item = EventType.TOOL, None, None, None
        if tool == "Skill":
            skill = clean(_first_text(block.input, ("skill", "name", "command")))
            item = self._served.item(skill, names.SKILL, names.COMMAND)
        elif tool in ("Task", "Agent"):
            kind = EventType.SUBAGENT
            subagent = clean(_first_text(block.input, ("subagent_type",))) or tool
            item = self._served.item(subagent, names.AGENT)
        elif tool and tool.startswith("mcp__"):
            kind = EventType.MCP
            item = self._served.mcp_item(tool)
        event = self._event(record, kind, line, tool_id=block.id, tool=tool)
        event.tool_name, event.skill_name, event.subagent_type = tool, skill, subagent
        event.model = clean(message.model)
        self._attribute(event, record)
        self._count_for(event, item)
        if not self._add(event):
            return
        if block.id:
            self._session._calls.setdefault(block.id, []).append(event)
        if skill and (typed := self._typed.pop(skill, None)) is not None:
            # A typed command that the client turns into a call is one invocation, and only the call can fail.
            typed.item_kind = typed.item_name = None

    def _cost(self, record: Record, message: Message, line: int) -> None:
        """One response comes in several lines, each repeating its usage: once, at its largest."""
        response = message.id or record.uuid or f"{self._file.file}:{line}"
        event = self._session._messages.get(response)
        if event is None:
            event = self._event(record, EventType.MESSAGE, line, tool_id=message.id)
            if message.id:
                event.event_id = _hash(self._session._key.user_id, message.id, EventType.MESSAGE)
            event.model = clean(message.model)
            self._attribute(event, record)
            self._in_force(event)
            self._session._messages[response] = event
        elif event.is_sidechain and not self._sidechain(record):
            event.is_sidechain, event.agent_id = False, None
        usage = message.usage
        if usage is not None:
            _raise_to(event, usage)

    def _attribute(self, event: Event, record: Record) -> None:
        if record.attributionSkill or record.attributionAgent or record.attributionPlugin:
            event.attribution_plugin = clean(record.attributionPlugin)
            event.attribution_skill = clean(record.attributionSkill)
            event.attribution_agent = clean(record.attributionAgent)

    def _in_force(self, event: Event) -> None:
        """What the tokens of a response count for: the plugin that caused it, the skill and the agent in force."""
        if not (event.attribution_plugin or event.attribution_skill or event.attribution_agent):
            return
        skill = self._served.item(event.attribution_skill, names.SKILL, names.COMMAND)
        agent = self._served.item(event.attribution_agent, names.AGENT)
        plugin = self._served.plugin(event.attribution_plugin)
        if skill is not None:
            self._count_for(event, skill)
        elif plugin is not None:
            event.source, event.marketplace_id, event.plugin = plugin.source, plugin.marketplace_id, plugin.plugin
        elif agent is not None:
            event.source, event.marketplace_id, event.plugin = agent.source, agent.marketplace_id, agent.plugin
        if agent is not None:
            event.agent_source, event.agent_marketplace_id = agent.source, agent.marketplace_id
            event.agent_plugin, event.agent_name = agent.plugin, agent.name

    @staticmethod
    def _count_for(event: Event, item: Item | None) -> None:
        if item is not None:
            event.source, event.marketplace_id, event.plugin = item.source, item.marketplace_id, item.plugin
            event.item_kind, event.item_name = item.kind, item.name

    def _event(
        self,
        record: Record,
        kind: EventType,
        line: int,
        *,
        tool_id: str | None = None,
        tool: str | None = None,
        command: str | None = None,
    ) -> Event:
        key = self._session._key
        # The id does not hold the session, so that the copies that forks make are the same event (section 17.15).
        anchor = record.uuid or f"{key.session_id}/{self._file.file}:{line}"
        event = Event(
            _hash(key.user_id, anchor, tool_id, kind, tool, command),
            key.user_id,
            key.session_id,
            key.generation,
            kind,
            self._now,
            cwd=clean(record.cwd, 1000),
            uuid=clean(record.uuid),
            parent_uuid=clean(record.parentUuid),
            is_sidechain=self._sidechain(record),
            agent_id=clean(record.agentId) or self._agent_id,
        )
        if self._now is None:
            self._undated.append(event)
        return event

    def _sidechain(self, record: Record) -> bool:
        return bool(record.isSidechain) or self._agent_id is not None

    def _add(self, event: Event) -> bool:
        """False if this session has the event already: subagents may be inline and in a file of their own."""
        events = self._session._events
        if event.event_id in events:
            return False
        events[event.event_id] = event
        return True


def _raise_to(event: Event, usage: Usage) -> None:
    event.input_tokens = max(event.input_tokens, _tokens(usage.input_tokens))
    event.output_tokens = max(event.output_tokens, _tokens(usage.output_tokens))
    event.cache_read_tokens = max(event.cache_read_tokens, _tokens(usage.cache_read_input_tokens))
    event.cache_creation_tokens = max(event.cache_creation_tokens, _tokens(usage.cache_creation_input_tokens))


def _tokens(count: int | None) -> int:
    return count if count is not None and 0 <= count <= MAX_TOKENS else 0


def _hash(*parts: str | None) -> str:
    text = "|".join([part or "" for part in parts])
    return blake2b(text.encode("utf-8", "replace"), digest_size=16).hexdigest()


def clean(value: str | None, limit: int = 200) -> str | None:
    """A name as it may be stored and shown: printable and of bounded length; None for nothing."""
    if not value:
        return None
    if len(value) > limit:
        value = value[:limit]
    return value if value.isprintable() else _UNPRINTABLE.sub("\ufffd", value)


def _first_text(raw: Raw, keys: Iterable[str]) -> str | None:
    given = value_of(raw)
    if not isinstance(given, dict):
        return None
    return next((found for key in keys if isinstance(found := given.get(key), str) and found), None)


def summarise(events: list[Event], times: list[datetime]) -> Summary:
    """Of one session. `times` are all its timestamps, those of types without events too."""
    summary = Summary()
    if times:
        times = sorted(times)
        summary.started_at, summary.ended_at = times[0], times[-1]
        summary.wall_seconds = (times[-1] - times[0]).total_seconds()
        summary.active_seconds = active_seconds(times)
    models: Counter[str] = Counter()
    tools, skills = set(), set()
    for event in events:
        match event.event_type:
            case EventType.MESSAGE:
                summary.assistant_messages += 1
                summary.input_tokens += event.input_tokens
                summary.output_tokens += event.output_tokens
                summary.cache_read_tokens += event.cache_read_tokens
                summary.cache_creation_tokens += event.cache_creation_tokens
                if event.model and event.model != SYNTHETIC_MODEL:
                    models[event.model] += 1
                continue
            case EventType.PROMPT:
                summary.user_messages += 1
                continue
            case EventType.TOOL:
                summary.tool_calls += 1
            case EventType.SUBAGENT:
                summary.subagent_dispatches += 1
            case EventType.MCP:
                summary.mcp_calls += 1
            case EventType.COMMAND:
                summary.slash_commands += 1
        summary.tool_errors += event.is_error
        summary.skill_invocations += event.skill_name is not None
        tools.add(event.tool_name)
        skills.add(event.skill_name)
    summary.distinct_tools = len(tools - {None})
    summary.distinct_skills = len(skills - {None})
    # Counter keeps the order of insertion, and max the first of equals: ties go to the first seen.
    summary.primary_model = max(models, key=models.__getitem__, default=None)
    return summary


def active_seconds(times: list[datetime]) -> float:
    """Sorted times without the gaps longer than IDLE_SECONDS."""
    gaps = ((after - before).total_seconds() for before, after in pairwise(times))
    return sum(gap for gap in gaps if gap <= IDLE_SECONDS)
