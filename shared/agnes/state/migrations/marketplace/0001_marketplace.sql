-- Registered git repositories and what their last good sync found in them.
CREATE TABLE marketplace.registries (
    id VARCHAR PRIMARY KEY,          -- the slug, for ever
    name VARCHAR NOT NULL,
    url VARCHAR NOT NULL,
    branch VARCHAR,                  -- none: the repository's HEAD
    description VARCHAR NOT NULL,
    curator_name VARCHAR NOT NULL,
    curator_email VARCHAR NOT NULL,
    token_name VARCHAR,              -- name of a secret, never the secret
    registered_by VARCHAR NOT NULL,
    registered_at TIMESTAMPTZ NOT NULL,
    last_synced_at TIMESTAMPTZ,
    last_commit_sha VARCHAR,         -- the commit that the plugins are of
    last_error VARCHAR,
    last_sync_id VARCHAR,
    reading_format INTEGER NOT NULL  -- how last_commit_sha was read; another code reads it again
);

-- A removed plugin keeps its row: created_at and the admin's flags survive its return.
CREATE TABLE marketplace.plugins (
    marketplace_id VARCHAR NOT NULL,
    name VARCHAR NOT NULL,
    description VARCHAR NOT NULL,
    upstream_version VARCHAR,
    author_name VARCHAR,
    homepage VARCHAR,
    category VARCHAR,
    keywords VARCHAR[] NOT NULL,
    source_type VARCHAR,             -- path, github, url, git-subdir, npm, unknown; none: no source given
    source_spec JSON,
    raw JSON NOT NULL,               -- the catalog's entry as it came
    tree_id VARCHAR,                 -- none: nothing of it can be served
    git_oid VARCHAR,
    version VARCHAR,                 -- as served: derived from content
    fingerprint VARCHAR,             -- of all that the tree was made from
    size_bytes BIGINT NOT NULL,
    file_count INTEGER NOT NULL,
    problem VARCHAR,                 -- why the newest upstream version is not served
    is_system BOOLEAN NOT NULL,
    disabled BOOLEAN NOT NULL,
    created_at TIMESTAMPTZ NOT NULL,
    updated_at TIMESTAMPTZ NOT NULL,
    released_at TIMESTAMPTZ,         -- when the served version came
    removed_at TIMESTAMPTZ,
    PRIMARY KEY (marketplace_id, name)
);

-- What a served plugin holds. `name` is what Claude Code writes behind the colon when the file's place decides.
CREATE TABLE marketplace.items (
    marketplace_id VARCHAR NOT NULL,
    plugin_name VARCHAR NOT NULL,
    kind VARCHAR NOT NULL,           -- skill, agent, command, hook, mcp
    name VARCHAR NOT NULL,
    declared_name VARCHAR,           -- the front matter's, where it differs from nothing
    description VARCHAR NOT NULL,
    relpath VARCHAR NOT NULL,
    detail VARCHAR                   -- a hook's event, a server's transport
);

CREATE TABLE marketplace.syncs (
    id VARCHAR PRIMARY KEY,
    marketplace_id VARCHAR NOT NULL,
    started_at TIMESTAMPTZ NOT NULL,
    duration_seconds DOUBLE NOT NULL,
    outcome VARCHAR NOT NULL,        -- changed, unchanged, failed
    commit_sha VARCHAR,
    added VARCHAR[] NOT NULL,
    updated VARCHAR[] NOT NULL,
    removed VARCHAR[] NOT NULL,
    refused JSON NOT NULL,           -- [{plugin, reason}]
    warnings JSON NOT NULL,          -- [text]
    error VARCHAR
);
