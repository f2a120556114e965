-- Every version of a plugin that a sync read: content, catalog entry, and whether it may be served.
CREATE TABLE marketplace.versions (
    marketplace_id VARCHAR NOT NULL,
    plugin_name VARCHAR NOT NULL,
    id VARCHAR NOT NULL,             -- of tree and catalog entry: one decision covers both
    tree_id VARCHAR NOT NULL,
    git_oid VARCHAR NOT NULL,
    version VARCHAR NOT NULL,
    description VARCHAR NOT NULL,
    raw JSON NOT NULL,
    items JSON,                      -- none: from before this table, those of the plugin stand
    size_bytes BIGINT NOT NULL,
    file_count INTEGER NOT NULL,
    commit_sha VARCHAR,
    read_at TIMESTAMPTZ NOT NULL,    -- when it was upstream's newest last
    status VARCHAR NOT NULL,         -- live, held, rejected
    decided_at TIMESTAMPTZ,
    decided_by VARCHAR,
    reason VARCHAR,
    PRIMARY KEY (marketplace_id, plugin_name, id)
);
INSERT INTO marketplace.versions
SELECT marketplace_id, name, sha256(tree_id || raw::VARCHAR), tree_id, git_oid, version, description, raw, NULL,
       size_bytes, file_count, NULL, updated_at, 'live', NULL, NULL, NULL
FROM marketplace.plugins WHERE tree_id IS NOT NULL;

-- The kill switch: content that no feed serves, in whichever plugin it is.
CREATE TABLE marketplace.blocked_trees (
    tree_id VARCHAR PRIMARY KEY,
    reason VARCHAR NOT NULL,
    blocked_at TIMESTAMPTZ NOT NULL,
    blocked_by VARCHAR NOT NULL
);
ALTER TABLE marketplace.plugins ADD COLUMN pinned_version VARCHAR;   -- rolled back to this one
ALTER TABLE marketplace.plugins ADD COLUMN withheld VARCHAR;         -- why an admin's decision keeps the newest back
ALTER TABLE marketplace.registries ADD COLUMN hold BOOLEAN DEFAULT false;  -- new versions wait for approval
