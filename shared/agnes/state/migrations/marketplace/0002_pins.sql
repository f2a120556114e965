-- A registry follows a branch, or is pinned to a tag or a full commit id.
ALTER TABLE marketplace.registries ADD COLUMN ref VARCHAR;
ALTER TABLE marketplace.registries ADD COLUMN last_ref VARCHAR;   -- the pin that last_commit_sha was found by
-- What a sync changed, readable: [{plugin, change, from_version, to_version, files, words, text}].
ALTER TABLE marketplace.syncs ADD COLUMN ref VARCHAR;             -- what was asked of git
ALTER TABLE marketplace.syncs ADD COLUMN changes JSON;
