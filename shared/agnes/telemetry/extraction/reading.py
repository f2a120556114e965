"""One file of a session, from its first line to its last: what each record adds to the session's events."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from agnes.claude_code import listings
from agnes.telemetry.extraction import served as names
from agnes.telemetry.extraction import spending, standing, typed
from agnes.telemetry.extraction.identifiers import KEY_LIMIT, UUID_LENGTH, hashed, short
from agnes.telemetry.extraction.in_force import InForce, count_for
from agnes.telemetry.extraction.naming import cleaned
from agnes.telemetry.extraction.records import (
    Attachment,
    Block,
    Lines,
    Message,
    Record,
    Usage,
    called_skill,
    first_text,
    value_of,
)
from agnes.telemetry.extraction.responses import Unnumbered
from agnes.telemetry.keys import MAIN
from agnes.telemetry.model import SYNTHETIC_MODEL, Event, EventType, TranscriptFile

if TYPE_CHECKING:
    from agnes.telemetry.extraction.extract import Session

EARLIEST = datetime(2024, 1, 1, tzinfo=UTC)
"""No transcript is older than the client; an earlier time is a wrong one, and none is better than that."""

MAX_EVENTS = 100_000
"""Of one session: ten times what the longest have. All of them are in memory until it ends."""


@dataclass(frozen=True, slots=True)
class SessionKey:
    user_id: str
    session_id: str
    generation: str


class TooMuch(Exception):
    """The argument is the reason in the reports."""


class TooManyEvents(TooMuch):
    def __init__(self) -> None:
        super().__init__("too_many_events")


class Reading:
    """One file of a session, from its first line to its last."""

    def __init__(self, session: Session, file: TranscriptFile) -> None:
        self._key = session.key
        self._served = session.served
        self._clean = session.clean
        self._models = session.models
        self._times = session.times
        self._events = session.events
        self._messages = session.messages
        self._calls = session.calls
        self._failed = session.failed
        self._file = file.file
        self._received_at = file.received_at
        self._agent_id = None if file.file == MAIN else file.file
        self._unnamed = session.unnamed
        self._unnumbered = Unnumbered(session.unnumbered)
        self._iterations = session.iterations
        self._bill = session.bill
        self._in_force = InForce(session.served, session.clean, session.caused, is_subagent=self._agent_id is not None)
        self._context = standing.Context(session.served, session.listings)
        self._typed: dict[str, Event] = {}
        """Commands of the present prompt that no call has followed yet."""
        self._bare: list[tuple[str, Event]] = []
        """Calls and commands of the present prompt by a bare name, until the client says whose it is."""
        self._counted: Event | None = None
        self._usage: Usage | None = None
        """Of the line before: most lines of a response repeat it."""
        self._now: datetime | None = None
        self._first: datetime | None = None
        self._undated: list[Event] = []

    def take(self, some: Lines, line: int) -> int:
        """Some lines, `line` the first. How many were skipped: no object, or a turn without a message."""
        received_at, seen, failed, skipped = self._received_at, self._times.append, self._failed.add, 0
        for number, record in enumerate(some.records, line):
            if record is None:
                skipped += 1
                continue
            message, kind, at = record.message, record.type, record.timestamp
            if message is None and (kind == "user" or kind == "assistant"):  # noqa: PLR1714 (twice as fast as a tuple)
                skipped += 1
                continue
            if at is not None:
                if at.tzinfo is not UTC or not EARLIEST <= at <= received_at:
                    at = self._clamped(at)
                if at is not None:
                    seen(at)
                    self._now = at
                    if self._first is None:
                        self._first = at
            if kind == "assistant" and message is not None:
                self._cost(record, message, number)
                content = message.content
                if content.__class__ is list:
                    for block in content:
                        if block.type == "tool_use":
                            self._call(record, message, block, number)
            elif kind == "user" and message is not None:
                self._unnumbered.segment += 1
                content = message.content
                if content.__class__ is list and len(content) == 1 and (block := content[0]).type == "tool_result":
                    if block.is_error:
                        failed(block.tool_use_id or "")
                else:
                    self._user(record, message, some, line, number)
            elif kind == "attachment":
                if (attachment := record.attachment) is not None:
                    if attachment.type == typed.QUEUED:
                        self._queued(record, attachment, number)
                    elif attachment.type in listings.KINDS and (self._agent_id or not record.isSidechain):
                        self._context.add(attachment)
            elif kind == "tool_use_result":
                if (marks := some.marks(number - line)) is not None and marks.is_error:
                    failed(marks.tool_use_id or marks.toolUseId or "")
            elif kind == "cost-state":
                self._bill.take(some.marks(number - line))
        return skipped

    def finish(self) -> bool:
        """Events before the first time of the file happened no later than it; nothing more will be said of bare names. Whether the
        file has events and no time."""
        self._forget_bare_names()
        for event in self._undated:
            event.occurred_at = self._first or self._received_at
        return bool(self._undated) and self._first is None

    def _clamped(self, at: datetime) -> datetime | None:
        """Never after receipt, and none at all before there was a client; without a zone it is UTC."""
        try:
            at = at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)
        except OverflowError:
            return None
        return None if at < EARLIEST else min(at, self._received_at)

    def _user(self, record: Record, message: Message, some: Lines, first: int, line: int) -> None:
        content = message.content
        texts: list[str] = []
        has_others = False
        if content.__class__ is list:
            is_result = False
            for block in content:
                if block.type == "tool_result":
                    is_result = True
                    if block.is_error:
                        self._failed.add(block.tool_use_id or "")
                elif block.type != "text":
                    has_others = True
                elif (said := value_of(block.text)).__class__ is str:
                    texts.append(said)
            if is_result:
                return
        elif isinstance(content, str) and content:
            texts.append(content)
        self._unnumbered.turn += 1
        marks = some.marks(line - first)
        if marks is None:
            return
        self._in_force.instructed(record, marks, texts, is_first=self._unnumbered.turn == 1)
        if marks.isCompactSummary and (self._agent_id or not record.isSidechain):
            self._context.compact()
        if record.isSidechain or self._agent_id:
            return
        if marks.stackedExpansion:  # a line may hold several commands: each has a record, and the first is the prompt
            self._commands(record, texts, line)
        elif typed.is_prompt(marks, texts, has_others=has_others):
            self._typed = {}
            if self._bare:
                self._forget_bare_names()
            self._add(self._event(record, EventType.PROMPT, self._id(record, EventType.PROMPT, line)))
            self._commands(record, texts, line)

    def _queued(self, record: Record, attachment: Attachment, line: int) -> None:
        """A text that was typed while a turn was running and that this turn took up; the turn goes on."""
        self._in_force.told()
        texts, has_others = typed.queued_content(attachment)
        if record.isSidechain or self._agent_id:
            return
        if typed.is_queued_prompt(attachment, texts, has_others=has_others):
            anchor = attachment.source_uuid
            event_id = short(f"{anchor}||{EventType.PROMPT}||") if anchor else self._id(record, EventType.PROMPT, line)
            self._add(self._event(record, EventType.PROMPT, event_id))
            self._commands(record, texts, line)

    def _commands(self, record: Record, texts: list[str], line: int) -> None:
        for said in texts:
            if (name := typed.command(said)) is not None and (name := self._clean[name]):
                self._command(record, name, line)

    def _command(self, record: Record, name: str, line: int) -> None:
        event = self._event(record, EventType.COMMAND, self._id(record, EventType.COMMAND, line, command=name))
        event.command_name = name
        count_for(event, self._served.item(name, names.SKILL, names.COMMAND) or self._served.mcp_item(name))
        if self._add(event):
            self._typed[name] = event
            if ":" not in name:
                self._bare.append((name, event))

    def _forget_bare_names(self) -> None:
        if self._bare:
            self._unnamed += [event for _, event in self._bare if event.skill_name is not None]
            self._bare = []

    def _name_bare(self, skill: str) -> None:
        """The client says which skill is in force: whoever was called by its bare name is that one."""
        local = skill.rpartition(":")[2]
        named = [event for name, event in self._bare if name == local]
        if named:
            self._bare = [(name, event) for name, event in self._bare if name != local]
            item = self._served.item(skill, names.SKILL, names.COMMAND)
            for event in named:
                # A command that a call has followed already is that call's invocation.
                if event.skill_name is not None or self._typed.get(event.command_name or "") is event:
                    count_for(event, item)

    def _call(self, record: Record, message: Message, block: Block, line: int) -> None:
        clean = self._clean
        tool = clean[block.name]
        kind, skill, subagent, item = EventType.TOOL, None, None, None
        if tool == "Skill":
            skill = clean[called_skill(block.input)]
            item = self._served.item(skill, names.SKILL, names.COMMAND)
        elif tool == "Task" or tool == "Agent":  # noqa: PLR1714 (twice as fast as a tuple)
            kind = EventType.SUBAGENT
            subagent = clean[first_text(block.input, ("subagent_type",))] or tool
            item = self._served.item(subagent, names.AGENT)
        elif tool and tool.startswith("mcp__"):
            kind = EventType.MCP
            item = self._served.mcp_item(tool)
        tool_id = block.id
        event_id = f"{record.uuid or self._place(line)}|{tool_id or ''}|{kind}|{tool or ''}|"
        if len(event_id) > KEY_LIMIT:
            event_id = hashed(event_id)
        if event_id in self._events:
            return
        if len(self._events) >= MAX_EVENTS:
            raise TooManyEvents
        event = self._events[event_id] = self._event(record, kind, event_id, self._models[message.model], tool)
        if record.attributionSkill or record.attributionAgent or record.attributionPlugin:
            self._in_force.attribute(event, record)
        if item is not None:
            count_for(event, item)
        if tool_id:
            calls = self._calls.get(tool_id)
            if calls is None:
                self._calls[tool_id] = [event]
            else:
                calls.append(event)
        if record.attributionMcpServer:
            event.attribution_mcp_server = clean[record.attributionMcpServer]
            event.attribution_mcp_tool = clean[record.attributionMcpTool]
        if skill:
            self._in_force.launched()
            event.skill_name = skill
            self._launch(event, skill)
        elif subagent:
            event.subagent_type = subagent

    def _launch(self, event: Event, skill: str) -> None:
        """A call of a skill. A typed command that the client turns into it is the same invocation: the call's, since only
        a call can fail."""
        prefix, _, local = skill.rpartition(":")
        name = skill
        if skill not in self._typed:  # the one may have a prefix where the other has none
            name = local if prefix else next((typed for typed in self._typed if typed.endswith(f":{skill}")), skill)
        command = self._typed.pop(name, None)
        if command is not None:
            command.item_kind = command.item_name = None
        if not prefix:
            if name == skill:
                self._bare.append((skill, event))
            else:
                count_for(event, self._served.item(name, names.SKILL, names.COMMAND))

    def _cost(self, record: Record, message: Message, line: int) -> None:
        """One response comes in several lines, each repeating its usage: once, at its largest."""
        if message.model == SYNTHETIC_MODEL:
            return  # the client's own words about an error: nothing was asked, nothing is paid
        if self._bare and record.attributionSkill:
            self._name_bare(self._clean[record.attributionSkill] or "")
        ref, request, usage = record.requestRef, record.requestId, message.usage
        response: tuple[str | None, ...] | str
        if ref or request:
            response = (ref, message.id, request)
            event = self._messages.get(response)
        else:
            response = f"{self._file}:{line}"
            event = self._unnumbered.find(record, message)
        if event is None:
            if len(self._messages) >= MAX_EVENTS:
                raise TooManyEvents
            event_id = f"{record.uuid or self._place(line)}||{EventType.MESSAGE}|{message.id or ''}|"
            if len(event_id) > KEY_LIMIT:
                event_id = hashed(event_id)
            model = self._models[message.model]
            event = self._messages[response] = self._event(record, EventType.MESSAGE, event_id, model)
            if record.effort:
                event.effort = self._clean[record.effort]
            context = self._context
            if (context.held or context.is_first) and (self._agent_id or not record.isSidechain):
                event.listing = context.listing()
            if record.attributionSkill or record.attributionAgent or record.attributionPlugin:
                self._in_force.put_into(event, record)
            else:
                self._in_force.skill = None
            if record.attributionMcpServer:
                event.attribution_mcp_server = self._clean[record.attributionMcpServer]
                event.attribution_mcp_tool = self._clean[record.attributionMcpTool]
            if self._agent_id is None:
                self._bill.is_unfinished = True
            if record.requestSessionId:
                self._bill.saw_request_of(record.requestSessionId, self._key.session_id)
        elif event.is_sidechain and not (record.isSidechain or self._agent_id):
            event.is_sidechain, event.agent_id = False, None
        if response.__class__ is str:
            self._unnumbered.note(record, message, event)
        if usage is not None and not (event is self._counted and usage == self._usage):
            self._counted, self._usage = event, usage
            spending.raise_to(event, usage)
            if len(usage.iterations) > 2 and (raw := spending.says_more(usage.iterations)) is not None:
                self._iterations[event.event_id] = event, raw

    def _id(self, record: Record, kind: str, line: int, command: str = "") -> str:
        """Of a record, the id of its tool use, the kind, the tool or the response's id, and the command.

        Without the session, so that the copies that forks make are the same event.
        """
        return short(f"{record.uuid or self._place(line)}||{kind}||{command}")

    def _place(self, line: int) -> str:
        return f"{self._key.session_id}/{self._file}:{line}"

    def _event(
        self, record: Record, kind: str, event_id: str, model: str | None = None, tool: str | None = None
    ) -> Event:
        """Its identifiers are of bounded length; whether they are printable is seen for all of a session together."""
        key, now, uuid, parent = self._key, self._now, record.uuid, record.parentUuid
        if uuid is not None and len(uuid) != UUID_LENGTH:
            uuid = cleaned(uuid)
        if parent is not None and len(parent) != UUID_LENGTH:
            parent = cleaned(parent)
        event = Event(
            event_id,
            key.user_id,
            key.session_id,
            key.generation,
            kind,
            now,
            self._clean[record.cwd],
            uuid,
            parent,
            model,
            tool,
        )
        if record.isSidechain or self._agent_id:
            event.is_sidechain = True
            event.agent_id = self._clean[record.agentId] or self._agent_id
        if now is None:
            self._undated.append(event)
        return event

    def _add(self, event: Event) -> bool:
        """False if this session has the event already: subagents may be inline and in a file of their own."""
        if len(self._events) >= MAX_EVENTS:
            raise TooManyEvents
        return self._events.setdefault(event.event_id, event) is event
