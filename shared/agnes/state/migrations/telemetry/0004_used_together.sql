-- Plugins that were used in the same sessions of the last 30 days, the likest of each; replaced whole with the windows.
-- A pair is there from both sides. likeness: sessions that used both of those that used either (decision 0105).
CREATE TABLE telemetry.used_together (
    source VARCHAR NOT NULL,
    marketplace_id VARCHAR NOT NULL,
    plugin VARCHAR NOT NULL,
    with_source VARCHAR NOT NULL,
    with_marketplace_id VARCHAR NOT NULL,
    with_plugin VARCHAR NOT NULL,
    sessions_30d BIGINT NOT NULL,
    likeness DOUBLE NOT NULL
);
