"""What a session comes down to: events, a summary, and what became of its files."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, datetime
from typing import NamedTuple

from msgspec import Struct

FILE = "telemetry"
"""The state file."""


class ItemKey(NamedTuple):
    """What figures of usage are kept by; kind `plugin` with the plugin's name is the plugin as a whole."""

    source: str
    """`curated`, `flea` or `builtin`."""
    marketplace_id: str
    """A flea entity's own id."""
    plugin: str
    kind: str
    name: str


PROCESSOR_VERSION = 4
"""Raised when the rules of extraction change; sessions with a lower one are extracted again."""


TOKENS = ("input_tokens", "output_tokens", "cache_read_tokens", "cache_creation_tokens")
"""The kinds that are counted apart, since each has its price: columns of events, sessions and rollups."""

CACHE_1H, WEB_SEARCHES = "cache_creation_1h_tokens", "web_searches"
BILLED = (*TOKENS, CACHE_1H, WEB_SEARCHES)
"""Everything that a bill counts. `cache_creation_1h_tokens` are those of `cache_creation_tokens` that are kept for an hour and
cost more than those kept for five minutes; a web search has a price of its own."""

RATE = ("speed", "service_tier", "inference_geo", "long_prompt")
"""Columns of a response that decide which price of its model is in force. None, or 0 for the last: the standard price."""

LEAST_TIER = 32_000
"""Tokens; no model has another price for prompts of fewer."""
PROMPT_TIERS = (100_000, 200_000)
"""Lengths of a prompt, in tokens, above which some model of Claude has had another price; `long_prompt` is one of them, or of those of
another model. A test holds them against the price list."""

SYNTHETIC_MODEL = "<synthetic>"
"""What the client writes for its own error messages: no model answered, and nothing was billed."""


class EventType:
    """The first four are invocations. `prompt` and `message` carry what people typed and what the model's responses
    cost, once each, so that both can be summed by day, person, plugin and model; `iteration` completes the cost.

    Plain strings: an enumeration's members cost microseconds where millions are made.
    """

    TOOL = "tool_use"
    SUBAGENT = "subagent"
    MCP = "mcp_call"
    COMMAND = "slash_command"
    PROMPT = "prompt"
    MESSAGE = "message"
    ITERATION = "iteration"
    """Tokens within a response that the response's own counts leave out, or that have another price: those of an advisor
    model, of a compaction, of a longer prompt. It is no response of its own."""


class Event(Struct, gc=False, omit_defaults=True):
    """One row of `telemetry/events`; docs/telemetry.md has a line for each column.

    `event_id` is the same in every copy of the event (a fork, a resumed session), so that figures count it once. Here it
    is what identifies the event among its user's; in the files it is a hash of that and of the user.
    """

    event_id: str
    user_id: str
    session_id: str
    generation: str
    event_type: str
    occurred_at: datetime | None
    cwd: str | None = None
    uuid: str | None = None
    parent_uuid: str | None = None
    model: str | None = None
    tool_name: str | None = None
    skill_name: str | None = None
    subagent_type: str | None = None
    command_name: str | None = None
    is_error: bool = False
    source: str = "builtin"
    marketplace_id: str | None = None
    plugin: str | None = None
    item_kind: str | None = None
    item_name: str | None = None
    agent_source: str | None = None
    agent_marketplace_id: str | None = None
    agent_plugin: str | None = None
    agent_name: str | None = None
    attribution_plugin: str | None = None
    attribution_skill: str | None = None
    attribution_agent: str | None = None
    attribution_mcp_server: str | None = None
    attribution_mcp_tool: str | None = None
    carried: bool = False
    """The skill in force did not work on this response itself (docs/telemetry.md, own and carried cost)."""
    effort: str | None = None
    speed: str | None = None
    service_tier: str | None = None
    inference_geo: str | None = None
    long_prompt: int = 0
    listing: str | None = None
    """Of a response: the listing in its context (`agnes.telemetry.extraction.standing`)."""
    loaded: str | None = None
    """Of a day's first response with that listing: its text."""
    input_tokens: int = 0
    output_tokens: int = 0
    cache_read_tokens: int = 0
    cache_creation_tokens: int = 0
    cache_creation_1h_tokens: int = 0
    web_searches: int = 0
    is_sidechain: bool = False
    agent_id: str | None = None


class Summary(Struct):
    """Columns of a session's summary; prompts and responses count once, however often they were copied."""

    started_at: datetime | None = None
    ended_at: datetime | None = None
    wall_seconds: float = 0
    active_seconds: float = 0
    user_messages: int = 0
    assistant_messages: int = 0
    tool_calls: int = 0
    tool_errors: int = 0
    skill_invocations: int = 0
    subagent_dispatches: int = 0
    mcp_calls: int = 0
    slash_commands: int = 0
    distinct_tools: int = 0
    distinct_skills: int = 0
    folders: list[int] = []
    """Working folders, each as a number of its own (`agnes.telemetry.extraction.summary`), in their order."""
    primary_model: str | None = None
    input_tokens: int = 0
    output_tokens: int = 0
    cache_read_tokens: int = 0
    cache_creation_tokens: int = 0
    cache_creation_1h_tokens: int = 0
    web_searches: int = 0
    list_cost_usd: float | None = None
    """What all of it costs by the price list, without an admin's prices; None: no model of it is in the list."""
    unpriced_tokens: int = 0
    """Those that the list has no price for."""
    client_cost_usd: float | None = None
    """The client's own bill (`cost-state`); None: the client wrote none."""
    bill_status: str | None = None
    """How the two compare (`agnes.telemetry.extraction.bill`)."""
    price_mismatches: list[str] = []
    """Models that took as many tokens by the client's bill as by ours, at another price."""


@dataclass(frozen=True, slots=True)
class TranscriptFile:
    """One file of a session: `file` is `main` or a subagent's id."""

    file: str
    body: bytes
    received_at: datetime


@dataclass(slots=True)
class FileReport:
    """What became of one file. A `reason` means that nothing of it is counted."""

    file: str
    plain_bytes: int
    lines: int = 0
    skipped_lines: int = 0
    reason: str | None = None


@dataclass(slots=True)
class Extraction:
    events: list[Event] = field(default_factory=list)
    summary: Summary = field(default_factory=Summary)
    files: list[FileReport] = field(default_factory=list)

    @property
    def days(self) -> list[date]:
        """UTC days that have events, in order."""
        return sorted({event.occurred_at.date() for event in self.events if event.occurred_at})


@dataclass(frozen=True, slots=True)
class Limits:
    """Of one run. Bytes are plain bytes of transcripts; a round ends with the session that passes one."""

    round_bytes: int = 256_000_000
    round_sessions: int = 1000
    publish_sessions: int = 5000
    """Of prepared batches that are published in one commit, if each is smaller."""
    seconds: float = 600
    memory: str = "150MB"
    threads: int = 1
    processes: int = 1
    """That extract sessions, this one among them."""
    alone_bytes: int = 2_000_000
    """That one process extracts before others are started."""
    patience_seconds: float = 60
    """With another process that does not answer."""
    events_beside: int = 150_000
    """Of a group of days: its event files are written while it is rolled up, which takes some 60 MB more than one after
    the other."""
    batch_notes: int = 200
    """Of one message, where there is a queue."""
    fan_out_at: int = 600
    """Notes, or stale sessions, that are more than one run's work: a queue's consumers do them."""


@dataclass(slots=True)
class Report:
    """What a run did; the answer of the operator's trigger, and part of the job's heartbeat."""

    notes: int = 0
    sessions: int = 0
    """Extracted."""
    unchanged: int = 0
    kept: int = 0
    """Left as they were extracted before: their transcripts are gone."""
    redacted: int = 0
    files: int = 0
    plain_bytes: int = 0
    events: int = 0
    lines: int = 0
    skipped_lines: int = 0
    quarantined: list[str] = field(default_factory=list)
    """`<user>/<session>/<file>: <reason>`."""
    days: int = 0
    left: int = 0
    """Notes that the next run will find."""
    sent: int = 0
    """Messages to the queue, a batch of notes or of sessions each."""
    damaged: list[str] = field(default_factory=list)
    """`<key>: <reason>` of event files and rollups that were not what was written."""
    rebuilt: int = 0
    """Sessions that were extracted again, since the event file that held them was damaged."""
    lost: int = 0
    """Such sessions without transcripts: their events of that day are gone."""
    aside: int = 0
    """Sessions of a reprocessing that are extracted, and wait for the others."""
    windows_day: date | None = None


ITEM_DAILY = """(
    SELECT d.day, d.source, d.marketplace_id, coalesce(n.new_name, d.plugin) AS plugin, d.kind,
        CASE WHEN d.kind = 'plugin' THEN coalesce(n.new_name, d.name) ELSE d.name END AS name,
        d.* EXCLUDE (day, source, marketplace_id, plugin, kind, name)
    FROM telemetry.item_daily d LEFT JOIN telemetry.renamed n ON d.source = 'curated' AND n.marketplace_id = d.marketplace_id
        AND n.old_name = d.plugin AND (n.since IS NULL OR d.day >= n.since) AND (n.until IS NULL OR d.day < n.until)
)"""
"""Rows of `telemetry.item_daily` under the names that plugins have now; a day of an item may have several."""
