-- What extraction has read and made, and the figures that pages show (docs/telemetry.md).

-- One row. Every change of the ledger raises the revision, so that a run that began on an older one is refused.
CREATE TABLE telemetry.progress (
    revision BIGINT NOT NULL,
    windows_day DATE                 -- the day that the windows end on
);
INSERT INTO telemetry.progress VALUES (0, NULL);

CREATE TABLE telemetry.transcripts (
    user_id VARCHAR NOT NULL,
    session_id VARCHAR NOT NULL,
    file VARCHAR NOT NULL,           -- main, or a subagent's id
    version VARCHAR NOT NULL,        -- of the object that was read
    received_at TIMESTAMPTZ NOT NULL,-- when that version was first seen; no event is later
    plain_bytes BIGINT NOT NULL,
    lines BIGINT NOT NULL,
    skipped_lines BIGINT NOT NULL,
    quarantine_reason VARCHAR,       -- none: it is counted
    PRIMARY KEY (user_id, session_id, file)
);

-- An event counts when its generation is its session's.
CREATE TABLE telemetry.sessions (
    user_id VARCHAR NOT NULL,
    session_id VARCHAR NOT NULL,
    generation VARCHAR NOT NULL,
    days DATE[] NOT NULL,            -- UTC days that have events of it
    events BIGINT NOT NULL,
    processor_version INTEGER NOT NULL,
    extracted_at TIMESTAMPTZ NOT NULL,
    started_at TIMESTAMPTZ,
    ended_at TIMESTAMPTZ,
    wall_seconds DOUBLE NOT NULL,
    active_seconds DOUBLE NOT NULL,
    user_messages BIGINT NOT NULL,
    assistant_messages BIGINT NOT NULL,
    tool_calls BIGINT NOT NULL,
    tool_errors BIGINT NOT NULL,
    skill_invocations BIGINT NOT NULL,
    subagent_dispatches BIGINT NOT NULL,
    mcp_calls BIGINT NOT NULL,
    slash_commands BIGINT NOT NULL,
    distinct_tools BIGINT NOT NULL,
    distinct_skills BIGINT NOT NULL,
    primary_model VARCHAR,
    input_tokens BIGINT NOT NULL,
    output_tokens BIGINT NOT NULL,
    cache_read_tokens BIGINT NOT NULL,
    cache_creation_tokens BIGINT NOT NULL,
    PRIMARY KEY (user_id, session_id)
);

-- Event files that may hold events that count.
CREATE TABLE telemetry.batches (
    key VARCHAR NOT NULL,
    day DATE NOT NULL,
    events BIGINT NOT NULL,
    size_bytes BIGINT NOT NULL
);

-- The current file of each day of each rollup.
CREATE TABLE telemetry.rollup_parts (
    rollup VARCHAR NOT NULL,
    day DATE NOT NULL,
    key VARCHAR NOT NULL,
    size_bytes BIGINT NOT NULL
);

-- Objects that nothing names any more; removed a day later, for readers that still have their keys.
CREATE TABLE telemetry.retired (
    key VARCHAR NOT NULL,
    retired_at TIMESTAMPTZ NOT NULL
);

-- The last 31 days of usage_marketplace_item_daily. kind `plugin` is the plugin as a whole.
CREATE TABLE telemetry.item_daily (
    day DATE NOT NULL,
    source VARCHAR NOT NULL,
    marketplace_id VARCHAR NOT NULL,
    plugin VARCHAR NOT NULL,
    kind VARCHAR NOT NULL,
    name VARCHAR NOT NULL,
    invocations BIGINT NOT NULL,
    distinct_users BIGINT NOT NULL,
    errors BIGINT NOT NULL,
    input_tokens BIGINT NOT NULL,
    output_tokens BIGINT NOT NULL,
    cache_read_tokens BIGINT NOT NULL,
    cache_creation_tokens BIGINT NOT NULL
);

-- usage_marketplace_item_window, both periods in a row; tokens_30d is the sum of the four kinds.
CREATE TABLE telemetry.item_windows (
    source VARCHAR NOT NULL,
    marketplace_id VARCHAR NOT NULL,
    plugin VARCHAR NOT NULL,
    kind VARCHAR NOT NULL,
    name VARCHAR NOT NULL,
    invocations_7d BIGINT NOT NULL,
    distinct_users_7d BIGINT NOT NULL,
    errors_7d BIGINT NOT NULL,
    invocations_30d BIGINT NOT NULL,
    distinct_users_30d BIGINT NOT NULL,
    errors_30d BIGINT NOT NULL,
    active_days_30d BIGINT NOT NULL,
    input_tokens_30d BIGINT NOT NULL,
    output_tokens_30d BIGINT NOT NULL,
    cache_read_tokens_30d BIGINT NOT NULL,
    cache_creation_tokens_30d BIGINT NOT NULL,
    tokens_30d BIGINT NOT NULL,
    trend_pct DOUBLE,                -- 7 complete days against the 7 before; none below 3 earlier invocations
    last_used_day DATE               -- within the last 31 days
);
