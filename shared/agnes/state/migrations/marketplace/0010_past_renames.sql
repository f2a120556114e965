-- Renames that are over: the catalog no longer says them, or lists a plugin of the old name again. What was used under the old
-- name until then was the renamed plugin.
CREATE TABLE marketplace.past_renames (
    marketplace_id VARCHAR NOT NULL,
    old_name VARCHAR NOT NULL,
    new_name VARCHAR NOT NULL,
    until TIMESTAMPTZ NOT NULL
);
