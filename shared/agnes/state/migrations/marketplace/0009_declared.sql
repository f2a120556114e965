-- What a version says of itself beside its components (`agnes.marketplace.declared`): display name, dependencies, options.
ALTER TABLE marketplace.plugins ADD COLUMN declared JSON;
ALTER TABLE marketplace.versions ADD COLUMN declared JSON;   -- none: from before this column
-- The name that the catalog gives itself: what `plugin@catalog` in a dependency means.
ALTER TABLE marketplace.registries ADD COLUMN catalog_name VARCHAR;
-- Plugins that a catalog renamed or removed, as its `renames` resolved at the last good sync.
CREATE TABLE marketplace.renames (
    marketplace_id VARCHAR NOT NULL,
    old_name VARCHAR NOT NULL,
    new_name VARCHAR,                -- none: it was removed
    found_at TIMESTAMPTZ NOT NULL,
    moved_at TIMESTAMPTZ,            -- when grants and stacks had followed; none: they are still under the old name
    PRIMARY KEY (marketplace_id, old_name)
);
ALTER TABLE marketplace.syncs ADD COLUMN renamed JSON;       -- [{old, new}]
