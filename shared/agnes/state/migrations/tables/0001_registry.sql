-- Where tables come from. Secrets are with the secrets port, under `secret_name`.
CREATE TABLE tables.sources (
    id VARCHAR PRIMARY KEY,
    type VARCHAR NOT NULL,               -- postgresql, sqlite, flightsql, snowflake, bigquery, keboola, files, custom
    description VARCHAR NOT NULL,
    options VARCHAR NOT NULL,            -- JSON object of texts, without secrets
    secret_name VARCHAR,
    created_by VARCHAR NOT NULL,
    created_at TIMESTAMPTZ NOT NULL,
    updated_at TIMESTAMPTZ NOT NULL
);

-- What admins registered. The id is the one name of a table: in SQL, grants, manifests, file names and URLs.
CREATE TABLE tables.tables (
    id VARCHAR PRIMARY KEY,
    name VARCHAR NOT NULL,               -- what people read
    description VARCHAR NOT NULL,
    folder VARCHAR NOT NULL,             -- groups tables in lists
    source_id VARCHAR NOT NULL,
    source_type VARCHAR NOT NULL,        -- of the source, which keeps its type
    bucket VARCHAR NOT NULL,             -- schema, dataset or bucket in the source
    source_table VARCHAR NOT NULL,
    source_query VARCHAR,                -- of materialized tables
    query_mode VARCHAR NOT NULL,         -- local, materialized, remote
    sync_strategy VARCHAR NOT NULL,      -- full_refresh, incremental, partitioned
    sync_schedule VARCHAR,               -- `every 2h`, `daily 05:00,17:30` in UTC; NULL: the mode's own
    primary_key VARCHAR[] NOT NULL,
    incremental_column VARCHAR,
    incremental_window_days INTEGER NOT NULL,
    max_history_days INTEGER,
    where_filters VARCHAR NOT NULL,      -- JSON list of {column, operator, values}
    partition_by VARCHAR,
    partition_granularity VARCHAR NOT NULL,
    initial_load_chunk_days INTEGER NOT NULL,
    registered_by VARCHAR NOT NULL,
    registered_at TIMESTAMPTZ NOT NULL,
    updated_at TIMESTAMPTZ NOT NULL
);

-- What an admin says of a column; names and types come with each collection.
CREATE TABLE tables.column_notes (
    table_id VARCHAR NOT NULL,
    name VARCHAR NOT NULL,
    description VARCHAR NOT NULL,
    PRIMARY KEY (table_id, name)
);
