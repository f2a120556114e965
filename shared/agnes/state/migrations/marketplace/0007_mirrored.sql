-- Our copies of covers and documents that pages name by URL: `agnes.marketplace.mirror`.
CREATE TABLE marketplace.mirrored (
    marketplace_id VARCHAR NOT NULL,
    plugin_name VARCHAR NOT NULL,
    kind VARCHAR NOT NULL,           -- cover, document
    url VARCHAR NOT NULL,
    sha256 VARCHAR,                  -- of the good copy; none: there is none
    asset_key VARCHAR NOT NULL,
    content_type VARCHAR NOT NULL,
    filename VARCHAR NOT NULL,
    size_bytes BIGINT NOT NULL,
    etag VARCHAR NOT NULL,           -- what the server said of the good copy
    last_modified VARCHAR NOT NULL,
    checked_at TIMESTAMPTZ NOT NULL,
    problem VARCHAR,                 -- why the last fetch gave nothing
    PRIMARY KEY (marketplace_id, plugin_name, kind, url)
);
