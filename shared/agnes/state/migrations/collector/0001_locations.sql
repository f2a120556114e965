-- Where transcripts are collected from, and what was fetched there (docs/telemetry.md, Collecting).
CREATE TABLE collector.locations (
    id VARCHAR NOT NULL PRIMARY KEY,
    kind VARCHAR NOT NULL,           -- folder, sftp, s3
    host VARCHAR NOT NULL,
    port INTEGER NOT NULL,
    username VARCHAR NOT NULL,
    host_key VARCHAR NOT NULL,       -- the only one that is accepted: "<type> <base64>"
    bucket VARCHAR NOT NULL,
    region VARCHAR NOT NULL,
    endpoint VARCHAR NOT NULL,
    pattern VARCHAR NOT NULL,        -- a path with {user}
    matching VARCHAR NOT NULL,       -- what {user} is: email, local_part, id, map
    people JSON NOT NULL,            -- of `map`: what stands for {user} to an e-mail address or an id
    enabled BOOLEAN NOT NULL,
    credential_name VARCHAR,         -- of a secret
    created_by VARCHAR NOT NULL,
    created_at TIMESTAMPTZ NOT NULL,
    updated_at TIMESTAMPTZ NOT NULL
);

-- One row a file that was read, or that will not be read until it changes.
CREATE TABLE collector.files (
    location_id VARCHAR NOT NULL,
    path VARCHAR NOT NULL,
    version VARCHAR NOT NULL,
    outcome VARCHAR NOT NULL,        -- fetched, or why not
    user_id VARCHAR NOT NULL,
    session_id VARCHAR NOT NULL,
    seen_at TIMESTAMPTZ NOT NULL,
    PRIMARY KEY (location_id, path)
);
