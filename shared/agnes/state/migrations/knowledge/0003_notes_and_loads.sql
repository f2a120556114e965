-- People's CLAUDE.local.md, one a workspace: which of its blocks were read, and those that wait, without secrets, until they are read.
CREATE TABLE knowledge.notes (
    user_id VARCHAR NOT NULL,
    workspace VARCHAR NOT NULL,          -- 16 hexadecimal digits; the path is known to the person's computer only
    sha256 VARCHAR NOT NULL,             -- of the note as it was sent: the same again changes nothing
    marks VARCHAR NOT NULL,              -- 8 hexadecimal digits for each block of the present note that was read
    blocks JSON NOT NULL,                -- that wait: [{section, text, mark}]
    status VARCHAR NOT NULL,             -- waiting, read, failed
    attempts INTEGER NOT NULL,           -- since the last success
    reason VARCHAR NOT NULL,             -- why it failed, or is tried again
    lease_owner VARCHAR NOT NULL,
    lease_until TIMESTAMPTZ,
    next_at TIMESTAMPTZ NOT NULL,        -- not tried before then
    facts INTEGER NOT NULL,
    refused INTEGER NOT NULL,
    changed_at TIMESTAMPTZ NOT NULL,
    PRIMARY KEY (user_id, workspace)
);

-- Sets of items that sessions began with; many sessions share one.
CREATE TABLE knowledge.load_sets (
    id VARCHAR PRIMARY KEY,              -- 32 hexadecimal digits of its ids
    items VARCHAR[] NOT NULL
);

-- Sessions that began with knowledge in their workspace.
CREATE TABLE knowledge.loads (
    user_id VARCHAR NOT NULL,
    session_id VARCHAR NOT NULL,
    set_id VARCHAR NOT NULL,
    mentioned VARCHAR[],                 -- items of the set that the conversation was about; none: it was not read yet
    loaded_at TIMESTAMPTZ NOT NULL,
    PRIMARY KEY (user_id, session_id)
);
