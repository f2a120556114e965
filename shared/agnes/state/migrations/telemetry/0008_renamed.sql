-- Curated plugins whose figures are another plugin's, as the marketplace said at the last run: from `since` (none: ever) and before
-- `until` (none: until today) what is counted under the old name belongs to the new one.
CREATE TABLE telemetry.renamed (
    marketplace_id VARCHAR NOT NULL,
    old_name VARCHAR NOT NULL,
    new_name VARCHAR NOT NULL,
    since DATE,
    until DATE
);
