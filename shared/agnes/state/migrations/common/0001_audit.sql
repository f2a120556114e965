-- Who did what to which thing; written in the transaction of the change itself (docs/audit.md).
CREATE TABLE {file}.audit (
    "at" TIMESTAMPTZ NOT NULL,
    id VARCHAR NOT NULL,
    user_id VARCHAR NOT NULL,
    email VARCHAR NOT NULL,
    action VARCHAR NOT NULL,
    resource VARCHAR NOT NULL,
    params JSON NOT NULL,
    before JSON,
    result VARCHAR NOT NULL,
    duration_ms DOUBLE NOT NULL,
    client_ip VARCHAR NOT NULL,
    client_kind VARCHAR NOT NULL,
    request_id VARCHAR NOT NULL
);
