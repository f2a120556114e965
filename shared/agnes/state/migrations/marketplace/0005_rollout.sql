-- A version that one group gets before everybody does.
ALTER TABLE marketplace.plugins ADD COLUMN rollout_version VARCHAR;
ALTER TABLE marketplace.plugins ADD COLUMN rollout_group VARCHAR;
