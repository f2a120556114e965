-- Facts that people verified, what each rests on, and what became of it (docs/knowledge.md).

CREATE TABLE knowledge.items (
    id VARCHAR PRIMARY KEY,
    title VARCHAR NOT NULL,
    content VARCHAR NOT NULL,
    category VARCHAR NOT NULL,           -- of KNOWLEDGE_CATEGORIES, or empty
    domain VARCHAR NOT NULL,             -- of KNOWLEDGE_DOMAINS, or empty
    tags VARCHAR[] NOT NULL,
    entities VARCHAR[] NOT NULL,         -- names that the fact is about
    status VARCHAR NOT NULL,             -- agnes.knowledge.transitions
    source VARCHAR NOT NULL,             -- session, note, person, admin: set by the server
    author_id VARCHAR NOT NULL,          -- the person from whom it came first
    audience VARCHAR NOT NULL,           -- everyone, or groups
    audience_groups VARCHAR[] NOT NULL,  -- ids, of `groups`
    is_personal BOOLEAN NOT NULL,        -- its author's alone, served to nobody else
    valid_from TIMESTAMPTZ,              -- none: always
    valid_until TIMESTAMPTZ,
    review_at TIMESTAMPTZ,               -- somebody has to look at it again by then
    superseded_by VARCHAR,               -- the item that took its place
    reason VARCHAR NOT NULL,             -- of the last decision; shown where the item is mandatory
    decided_by VARCHAR NOT NULL,         -- user id of an admin
    decided_at TIMESTAMPTZ,
    revision INTEGER NOT NULL,           -- of title and content
    created_at TIMESTAMPTZ NOT NULL,
    updated_at TIMESTAMPTZ NOT NULL
);

-- Why an item is believed: a person's own words in a session, a note, a proposal.
CREATE TABLE knowledge.evidence (
    id VARCHAR PRIMARY KEY,
    item_id VARCHAR NOT NULL,
    user_id VARCHAR NOT NULL,
    session_id VARCHAR NOT NULL,         -- empty: none of a session
    turn VARCHAR NOT NULL,               -- uuid of the record that holds the quote
    kind VARCHAR NOT NULL,               -- correction, confirmation, definition, note, proposal
    quote VARCHAR NOT NULL,
    quote_sha256 VARCHAR NOT NULL,       -- of the quote without blanks and capitals
    seen_at TIMESTAMPTZ NOT NULL,
    UNIQUE (item_id, user_id, session_id, quote_sha256)
);

CREATE TABLE knowledge.votes (
    item_id VARCHAR NOT NULL,
    user_id VARCHAR NOT NULL,
    vote TINYINT NOT NULL,               -- 1 or -1
    voted_at TIMESTAMPTZ NOT NULL,
    PRIMARY KEY (item_id, user_id)
);

CREATE TABLE knowledge.dismissals (
    item_id VARCHAR NOT NULL,
    user_id VARCHAR NOT NULL,
    dismissed_at TIMESTAMPTZ NOT NULL,
    PRIMARY KEY (item_id, user_id)
);

-- Every change of an item, so that each earlier text can be read and restored.
CREATE TABLE knowledge.history (
    id VARCHAR PRIMARY KEY,
    item_id VARCHAR NOT NULL,
    event VARCHAR NOT NULL,
    user_id VARCHAR NOT NULL,            -- empty: a schedule
    before JSON NOT NULL,                -- columns that changed, as they were
    after JSON NOT NULL,
    reason VARCHAR NOT NULL,
    changed_at TIMESTAMPTZ NOT NULL
);
CREATE INDEX history_by_item ON knowledge.history (item_id);

-- Two items and what a judgement says of them; item_a is the smaller id.
CREATE TABLE knowledge.relations (
    item_a VARCHAR NOT NULL,
    item_b VARCHAR NOT NULL,
    kind VARCHAR NOT NULL,               -- same, contradicts, refines, unrelated
    severity VARCHAR NOT NULL,           -- hard or soft, of `contradicts`
    explanation VARCHAR NOT NULL,
    suggestion VARCHAR NOT NULL,         -- keep_a, keep_b, merge, both, or empty
    merged VARCHAR NOT NULL,             -- text for `merge`
    revision_a INTEGER NOT NULL,         -- that were judged: another text is judged again
    revision_b INTEGER NOT NULL,
    resolution VARCHAR NOT NULL,         -- empty while it is open
    resolved_by VARCHAR NOT NULL,
    resolved_at TIMESTAMPTZ,
    found_at TIMESTAMPTZ NOT NULL,
    PRIMARY KEY (item_a, item_b)
);

-- People who said that an item is wrong; once a person until an admin has answered.
CREATE TABLE knowledge.complaints (
    item_id VARCHAR NOT NULL,
    user_id VARCHAR NOT NULL,
    reason VARCHAR NOT NULL,
    reported_at TIMESTAMPTZ NOT NULL,
    closed_at TIMESTAMPTZ,
    PRIMARY KEY (item_id, user_id)
);

-- How far the detector has read each session, and the people's notes.
CREATE TABLE knowledge.readings (
    user_id VARCHAR NOT NULL,
    session_id VARCHAR NOT NULL,
    version VARCHAR NOT NULL,            -- of the transcript that was read
    status VARCHAR NOT NULL,             -- waiting, read, failed, forgotten
    turns VARCHAR NOT NULL,              -- 8 hexadecimal digits for each turn of a person that was read
    first_turn VARCHAR NOT NULL,         -- 8 such digits: forks of one session share it
    attempts INTEGER NOT NULL,           -- since the last success
    reason VARCHAR NOT NULL,             -- why it failed, or is tried again
    lease_owner VARCHAR NOT NULL,
    lease_until TIMESTAMPTZ,
    next_at TIMESTAMPTZ NOT NULL,        -- not tried before then
    facts INTEGER NOT NULL,              -- that were taken from it
    refused INTEGER NOT NULL,            -- answers of the model that were discarded
    input_tokens BIGINT NOT NULL,
    output_tokens BIGINT NOT NULL,
    plain_bytes BIGINT NOT NULL,         -- of the transcript
    changed_at TIMESTAMPTZ NOT NULL,
    PRIMARY KEY (user_id, session_id)
);
CREATE INDEX readings_by_first_turn ON knowledge.readings (first_turn);

-- One row: up to when the telemetry's ledger was looked through.
CREATE TABLE knowledge.progress (
    seen_until TIMESTAMPTZ
);
INSERT INTO knowledge.progress (seen_until) VALUES (NULL);

-- What each request to the model cost.
CREATE TABLE knowledge.spending (
    id VARCHAR PRIMARY KEY,
    job VARCHAR NOT NULL,                -- detect, relate, notes
    user_id VARCHAR NOT NULL,
    model VARCHAR NOT NULL,
    input_tokens BIGINT NOT NULL,
    output_tokens BIGINT NOT NULL,
    usd DOUBLE,                          -- by the list price; none for a model without one
    spent_at TIMESTAMPTZ NOT NULL
);

-- What people are told, newest last.
CREATE TABLE knowledge.notices (
    id VARCHAR PRIMARY KEY,
    user_id VARCHAR NOT NULL,            -- 'admins': whoever is one
    kind VARCHAR NOT NULL,
    item_id VARCHAR NOT NULL,
    text VARCHAR NOT NULL,
    url VARCHAR NOT NULL,                -- below the base path
    told_at TIMESTAMPTZ NOT NULL,
    read_at TIMESTAMPTZ,
    mailed_at TIMESTAMPTZ
);
