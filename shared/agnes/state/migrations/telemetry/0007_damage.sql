-- What an object must be: the ledger names it with its SHA-256. NULL: written by an earlier release, only its size is known.
ALTER TABLE telemetry.batches ADD COLUMN sha256 VARCHAR;
ALTER TABLE telemetry.rollup_parts ADD COLUMN sha256 VARCHAR;

-- Objects that were found damaged, and what became of them; health names those of the last days.
CREATE TABLE telemetry.damage (
    key VARCHAR NOT NULL,
    day DATE NOT NULL,
    reason VARCHAR NOT NULL,         -- absent, empty, truncated, changed, unreadable
    found_at TIMESTAMPTZ NOT NULL,
    events BIGINT NOT NULL,          -- rows that an event file had, those of replaced generations too; 0 of a rollup
    repaired_at TIMESTAMPTZ,         -- NULL: the next run goes on
    is_lost BOOLEAN,                 -- a rollup of a day whose events were pruned: nothing is left to make it of
    sessions_rebuilt BIGINT,
    sessions_lost BIGINT             -- their events of that day are gone: no transcript is left to read them from
);

-- Sessions that an event file held as the only one, until they are extracted again.
CREATE TABLE telemetry.damaged_sessions (
    key VARCHAR NOT NULL,
    user_id VARCHAR NOT NULL,
    session_id VARCHAR NOT NULL,
    generation VARCHAR NOT NULL      -- the one whose events were lost
);
