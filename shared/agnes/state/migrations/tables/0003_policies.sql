-- Which rows and columns of a table a group reads. A group without a line here reads what it was granted whole.
CREATE TABLE tables.policies (
    table_id VARCHAR NOT NULL,
    group_id VARCHAR NOT NULL,
    filter VARCHAR NOT NULL,             -- one SQL condition over the table's columns, as the admin wrote it; empty: all rows
    written VARCHAR NOT NULL,            -- the same, written anew from its tree: this is what runs
    columns VARCHAR[],                   -- NULL: all of them, later ones too
    updated_by VARCHAR NOT NULL,
    updated_at TIMESTAMPTZ NOT NULL,
    PRIMARY KEY (table_id, group_id)
);

-- What people of some policies read of a table, made of its objects when these or the policies change.
CREATE TABLE tables.restricted (
    table_id VARCHAR NOT NULL,
    policy_id VARCHAR NOT NULL,          -- digest of the policies: with other ones it is another row
    made_of VARCHAR NOT NULL,            -- hash of the table
    made_at TIMESTAMPTZ NOT NULL,
    changed_at TIMESTAMPTZ NOT NULL,
    error VARCHAR,                       -- why it could not be made; then nothing is served
    hash VARCHAR NOT NULL,
    rows BIGINT NOT NULL,
    size_bytes BIGINT NOT NULL,
    columns VARCHAR NOT NULL,            -- JSON list of {name, type}
    PRIMARY KEY (table_id, policy_id)
);

CREATE TABLE tables.restricted_objects (
    table_id VARCHAR NOT NULL,
    policy_id VARCHAR NOT NULL,
    position INTEGER NOT NULL,
    partition VARCHAR NOT NULL,
    sha256 VARCHAR NOT NULL,
    size_bytes BIGINT NOT NULL,
    rows BIGINT NOT NULL,
    made_of VARCHAR NOT NULL,            -- digest of the table's object
    PRIMARY KEY (table_id, policy_id, position)
);
