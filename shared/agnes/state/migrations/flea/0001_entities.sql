-- What analysts uploaded and what of it is live. Uploading and its checks write here; browsing, stacks and the feed read.
CREATE TABLE flea.entities (
    id VARCHAR PRIMARY KEY,
    owner_user_id VARCHAR NOT NULL,
    owner_username VARCHAR NOT NULL,     -- of the e-mail address when it was uploaded
    type VARCHAR NOT NULL,               -- skill, agent, plugin
    name VARCHAR NOT NULL,               -- the owner's word; unique among the owner's
    served_name VARCHAR NOT NULL,        -- <name>-by-<owner_username>: the catalog's entry and the prefix of invocations
    description VARCHAR NOT NULL,
    category VARCHAR NOT NULL,
    status VARCHAR NOT NULL,             -- pending, approved, hidden, archived
    version VARCHAR NOT NULL,            -- content-derived, stamped in the manifests
    version_no INTEGER NOT NULL,
    tree_id VARCHAR,                     -- the live version; none before the first approval
    size_bytes BIGINT NOT NULL,
    video_url VARCHAR,
    created_at TIMESTAMPTZ NOT NULL,
    updated_at TIMESTAMPTZ NOT NULL,
    released_at TIMESTAMPTZ,             -- of the live version
    archived_at TIMESTAMPTZ,
    archived_by VARCHAR
);

-- What is inside the live version, as marketplace.items says of curated plugins.
CREATE TABLE flea.items (
    entity_id VARCHAR NOT NULL,
    kind VARCHAR NOT NULL,               -- skill, agent, command, hook, mcp
    name VARCHAR NOT NULL,
    declared_name VARCHAR,
    description VARCHAR NOT NULL,
    relpath VARCHAR NOT NULL,
    detail VARCHAR,
    PRIMARY KEY (entity_id, kind, name)
);
