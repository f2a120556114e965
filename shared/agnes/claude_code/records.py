"""The records that Claude Code writes into a transcript: their types, their fields, and what Agnes uses and keeps of them.

The types are those that the client itself lists (a table in its binary); the fields are those
that the recorded sessions have (tests/samples/transcripts/real). `make client-drift` compares both with a newer client.
A type without fields was never seen in a recorded session.
"""

from __future__ import annotations

from dataclasses import dataclass

from agnes.claude_code.versions import NEWEST, OLDEST


@dataclass(frozen=True, slots=True)
class RecordType:
    """`name` is the record's `type`; of an attachment or a system record with its own type behind a slash.

    `since` is the oldest tested version that writes it. `use` says what Agnes takes from it, empty for nothing.
    `left_out` are the fields that are not stored: copies of what other records hold, and the client's own texts.
    """

    name: str
    fields: frozenset[str] = frozenset()
    use: str = ""
    since: str = OLDEST
    left_out: tuple[str, ...] = ()


def _type(name: str, fields: str = "", use: str = "", *, since: str = OLDEST, left_out: str = "") -> RecordType:
    return RecordType(name, frozenset(fields.split()), use, since, tuple(left_out.split()))


ENVELOPE = frozenset(
    [
        "type",
        "uuid",
        "parentUuid",
        "forkedFrom",
        "isSidechain",
        "sessionId",
        "session_id",
        "timestamp",
        "cwd",
        "version",
        "gitBranch",
        "userType",
        "entrypoint",
        "slug",
        "agentId",
    ]
)
"""Fields that any record may have. `session_id` and `slug` since 2.1.332; `forkedFrom` in forks that older clients made."""

RECORDS = (
    _type(
        "user",
        "message isMeta isCompactSummary isVisibleInTranscriptOnly origin permissionMode promptId promptSource "
        "sourceToolAssistantUUID sourceToolUseID toolUseResult mcpCallNotReadOnly permissionDecision queueSkipAttachments "
        "rowSource sandboxed sentAtMs stackedExpansion toolDenialKind turnCompanion turnOrigin turnPosition",
        "prompts, typed commands, results of tools; `turnOrigin` (2.1.332) says what began the turn",
    ),
    _type(
        "assistant",
        "message requestId attributionAgent attributionMcpServer attributionMcpTool attributionPlugin attributionSkill "
        "apiBlockIndex effort madeBy perTurnEffort promptCacheRequested requestRef requestSessionId requestedModel "
        "serverClassifierRequest toolInputStreamMs isApiErrorMessage",
        "responses with their tokens, calls of tools, what was in force; `requestRef` (2.1.332) names the api-request, "
        "`requestSessionId` the session whose request it was, in a fork",
    ),
    _type("attachment", "attachment rendered renderedRole renderedBesideToolResult", left_out="rendered"),
    _type(
        "system",
        "subtype content level isMeta compactMetadata logicalParentUuid durationMs messageCount commandRun hookCount "
        "hookErrors preventedContinuation",
    ),
    _type("progress", "data toolUseID parentToolUseID"),
    _type("summary", "summary leafUuid"),
    _type("custom-title"),
    _type("ended-by-model"),
    _type("ai-title", "aiTitle"),
    _type("last-prompt", "lastPrompt leafUuid"),
    _type("tag"),
    _type("relocated"),
    _type("agent-name"),
    _type("agent-color"),
    _type("agent-setting"),
    _type("pr-link"),
    _type("frame-link"),
    _type("bridge-session"),
    _type("file-history-snapshot", "messageId snapshot isSnapshotUpdate"),
    _type("attribution-snapshot"),
    _type("speculation-accept"),
    _type("mode", "mode"),
    _type("permission-mode", "permissionMode"),
    _type("isolation-latch"),
    _type("worktree-state"),
    _type("queue-operation", "operation content reason commandUuid deliveryId"),
    _type("marble-origami-commit"),
    _type("marble-origami-snapshot"),
    _type("marble-origami-reset"),
    _type("content-replacement"),
    _type("fork-context-ref"),
    _type(
        "api-request",
        "id params querySource base cacheControl echoWireToolInputs keep requestDigest shapeHash tail thread",
        "one request to the model: its `id` is the `requestRef` of the responses, `params` its model and options",
        since=NEWEST,
        left_out="base cacheControl echoWireToolInputs keep requestDigest shapeHash tail thread",
    ),
    _type("api-request-shape", "shape shapeHash", since=NEWEST, left_out="shape shapeHash"),
    _type("api-request-blob", "hash message", since=NEWEST, left_out="hash message"),
    _type("api-request-resumed", since=NEWEST),
    _type(
        "cost-state",
        "totalCostUSD modelUsage hasUnknownModelCost startTime totalAPIDuration totalAPIDurationWithoutRetries "
        "totalDuration totalLinesAdded totalLinesRemoved totalToolDuration",
        "the client's own bill of the session, by model, with what no record shows (titles, summaries of compactions)",
        since=NEWEST,
    ),
    _type("atis-latch", "atis", since=NEWEST),
    _type("tools-used", "tools", since=NEWEST),
    _type("file-history-delta", since=NEWEST),
    _type("continued-in", since=NEWEST),
    _type("resume-head-vouch", since=NEWEST),
    _type("data-flow-records", since=NEWEST),
    _type("data-flow-incomplete", since=NEWEST),
    _type("derived-from", since=NEWEST),
    _type("artifact-comment-monitor", since=NEWEST),
    _type("artifact-autoreact-ledger", since=NEWEST),
    _type("history-suppression", since=NEWEST),
    _type("session-owner", since=NEWEST),
    _type("dev-mods", since=NEWEST),
    _type("memory-mode", since=NEWEST),
    _type("observer-ref", since=NEWEST),
)

ATTACHMENTS = (
    _type(
        "attachment/queued_command",
        "type prompt commandMode origin source_uuid delivery_id humanTurn timestamp",
        "a prompt that was typed while a turn ran; `humanTurn` since 2.1.332",
    ),
    _type(
        "attachment/skill_listing",
        "type content isInitial names skillCount digests",
        "the skills that were put before the model, one a line of `content`",
    ),
    _type(
        "attachment/agent_listing_delta",
        "type addedLines addedTypes removedTypes isInitial showConcurrencyNote builtInTypes builtInPluginTypes",
        "the agents that were put before the model",
    ),
    _type(
        "attachment/prompt_snapshot",
        "type systemPrompt tools inlineTools systemTurns keptReminders reminderFold echoWireToolInputs cliPrefix "
        "contextRendering toolChangeHeader",
        since=NEWEST,
        left_out="attachment.systemPrompt attachment.tools attachment.inlineTools attachment.systemTurns attachment.keptReminders",
    ),
    _type(
        "attachment/hook_success",
        "type hookName hookEvent toolUseID content stdout stderr exitCode command durationMs",
    ),
    _type("attachment/command_permissions", "type allowedTools"),
    _type("attachment/task_reminder", "type content itemCount"),
    _type(
        "attachment/auto_mode", "type autoModeConsentFlow bashFirst bashFirstSteer bypass finishExposedWork steerOnly"
    ),
    _type("attachment/date", "type date", since=NEWEST),
    _type(
        "attachment/deferred_tools_delta",
        "type addedLines addedNames removedNames readdedNames wireHiddenNames pendingMcpServers needsAuthMcpServers "
        "failedMcpServers",
        since=NEWEST,
    ),
    _type("attachment/environment", "type snapshot", since=NEWEST),
    _type("attachment/model", "type identity text", since=NEWEST),
    _type(
        "attachment/remote_session_change",
        "type url commit pr sendUserFileHint managedCommit managedPr",
        since=NEWEST,
    ),
    _type("attachment/session_context", "type context", since=NEWEST),
)

SYSTEM = (
    _type("system/turn_duration"),
    _type("system/local_command"),
    _type("system/compact_boundary"),
    _type("system/stop_hook_summary"),
)
"""Their fields are those of `system`."""

MESSAGE = frozenset(["id", "type", "role", "model", "content", "stop_reason", "stop_sequence", "stop_details", "usage"])
BLOCKS = frozenset(["text", "thinking", "redacted_thinking", "tool_use", "tool_result", "image", "document"])

USAGE = {
    "usage": frozenset(
        [
            "input_tokens",
            "output_tokens",
            "cache_read_input_tokens",
            "cache_creation_input_tokens",
            "cache_creation",
            "server_tool_use",
            "service_tier",
            "speed",
            "inference_geo",
            "iterations",
            "output_tokens_details",
            "fallback_credit",
        ]
    ),
    "usage.cache_creation": frozenset(["ephemeral_5m_input_tokens", "ephemeral_1h_input_tokens"]),
    "usage.server_tool_use": frozenset(["web_search_requests", "web_fetch_requests"]),
    "usage.output_tokens_details": frozenset(["thinking_tokens"]),
    "modelUsage": frozenset(
        [
            "inputTokens",
            "outputTokens",
            "thinkingTokens",
            "cacheReadInputTokens",
            "cacheCreationInputTokens",
            "cacheCreationEphemeral5mInputTokens",
            "cacheCreationEphemeral1hInputTokens",
            "webSearchRequests",
            "costUSD",
        ]
    ),
}
"""Fields of a response's `usage`, and of each model in the `modelUsage` of `cost-state`."""

KNOWN = {known.name: known for known in (*RECORDS, *ATTACHMENTS, *SYSTEM)}

LEFT_OUT = {known.name: known.left_out for known in KNOWN.values() if known.left_out}
"""What is not stored: paths of fields by type of record; those of `attachment` hold for every attachment.

The list of `agnes push` (`agnes_cli.trimming`) is the same; a test compares them.
"""
