-- expands: no release before this one writes into the flea market's tables.
ALTER TABLE flea.entities ADD COLUMN audience VARCHAR DEFAULT 'everyone';   -- everyone, groups, private
ALTER TABLE flea.entities ADD COLUMN audience_groups VARCHAR[] DEFAULT [];  -- ids, of `groups`
ALTER TABLE flea.entities ADD COLUMN photo VARCHAR;                         -- JSON of an asset; none without one
ALTER TABLE flea.entities ADD COLUMN docs VARCHAR DEFAULT '[]';             -- JSON list of assets
ALTER TABLE flea.entities ADD COLUMN submission_id VARCHAR;                 -- whose version is live: the one pointer
ALTER TABLE flea.entities ADD COLUMN held_reason VARCHAR;                   -- why a hidden one is hidden

-- The word behind `-by-` of each person, for ever theirs.
CREATE TABLE flea.handles (
    user_id VARCHAR PRIMARY KEY,
    handle VARCHAR NOT NULL UNIQUE,
    since TIMESTAMPTZ NOT NULL
);

-- Every version that was ever offered: what it is, and what became of it. Never changed but for its status and evidence.
CREATE TABLE flea.submissions (
    id VARCHAR PRIMARY KEY,
    entity_id VARCHAR NOT NULL,
    n INTEGER NOT NULL,                  -- version number of the entity
    kind VARCHAR NOT NULL,               -- create, update, restore, import
    status VARCHAR NOT NULL,             -- agnes.flea.transitions
    status_reason VARCHAR NOT NULL,      -- why it is in it, for its owner
    hold_reason VARCHAR NOT NULL,        -- why a clean review is not enough; empty if it is
    submitter_id VARCHAR NOT NULL,
    submitter_email VARCHAR NOT NULL,    -- as it was then
    type VARCHAR NOT NULL,
    name VARCHAR NOT NULL,
    served_name VARCHAR NOT NULL,
    description VARCHAR NOT NULL,
    category VARCHAR NOT NULL,
    video_url VARCHAR,
    photo VARCHAR,                       -- JSON of an asset
    docs VARCHAR NOT NULL,               -- JSON list of assets
    changes VARCHAR NOT NULL,            -- the owner's words about what is new
    version VARCHAR NOT NULL,            -- as stamped
    tree_id VARCHAR,                     -- the bytes; none once the evidence is gone
    sha256 VARCHAR NOT NULL,             -- the tree's id, kept for ever
    size_bytes BIGINT NOT NULL,
    file_count INTEGER NOT NULL,
    risk VARCHAR NOT NULL,               -- the worst of its findings: none, low, medium, high, critical
    finding_count INTEGER NOT NULL,
    gained VARCHAR[] NOT NULL,           -- groups of capabilities that the live version has not
    report_sha256 VARCHAR NOT NULL,      -- flea/reports/<sha256>.json
    rules VARCHAR NOT NULL,              -- digest of the rules that it was checked by
    model VARCHAR NOT NULL,              -- that reviewed it, empty for none
    cost_usd DOUBLE NOT NULL,
    attempts INTEGER NOT NULL,           -- reviews that ended in an error
    lease_owner VARCHAR NOT NULL,
    lease_until TIMESTAMPTZ,
    decided_by VARCHAR NOT NULL,         -- an admin's address
    decided_at TIMESTAMPTZ,
    reason VARCHAR NOT NULL,             -- of that decision
    appeal VARCHAR NOT NULL,             -- the owner's words
    appealed_at TIMESTAMPTZ,
    went_live_at TIMESTAMPTZ,            -- none: it never was
    purged_at TIMESTAMPTZ,
    created_at TIMESTAMPTZ NOT NULL,
    updated_at TIMESTAMPTZ NOT NULL
);
CREATE INDEX submissions_by_entity ON flea.submissions (entity_id);

-- People who said that something is wrong with an entity; once a person.
CREATE TABLE flea.complaints (
    entity_id VARCHAR NOT NULL,
    user_id VARCHAR NOT NULL,
    reason VARCHAR NOT NULL,
    reported_at TIMESTAMPTZ NOT NULL,
    closed_at TIMESTAMPTZ,               -- an admin looked at it
    PRIMARY KEY (entity_id, user_id)
);

-- What each request of a review cost.
CREATE TABLE flea.spending (
    id VARCHAR PRIMARY KEY,
    submission_id VARCHAR NOT NULL,
    submitter_id VARCHAR NOT NULL,
    model VARCHAR NOT NULL,
    input_tokens BIGINT NOT NULL,
    output_tokens BIGINT NOT NULL,
    usd DOUBLE,                          -- by the list price; none for a model without one
    spent_at TIMESTAMPTZ NOT NULL
);

-- What people are told of, newest last.
CREATE TABLE flea.notices (
    id VARCHAR PRIMARY KEY,
    user_id VARCHAR NOT NULL,            -- 'admins': whoever is one
    kind VARCHAR NOT NULL,               -- an event of agnes.flea.transitions, or `complaint`
    entity_id VARCHAR NOT NULL,
    submission_id VARCHAR NOT NULL,
    text VARCHAR NOT NULL,
    url VARCHAR NOT NULL,                -- below the base path
    told_at TIMESTAMPTZ NOT NULL,
    read_at TIMESTAMPTZ,
    mailed_at TIMESTAMPTZ
);
