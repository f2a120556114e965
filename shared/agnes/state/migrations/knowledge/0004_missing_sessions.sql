-- Which sessions with evidence telemetry no longer had when tombstones were looked at last: the same ones are looked at once a day.
ALTER TABLE knowledge.progress ADD COLUMN missing VARCHAR;        -- SHA-256 of their ids
ALTER TABLE knowledge.progress ADD COLUMN missing_at TIMESTAMPTZ;
