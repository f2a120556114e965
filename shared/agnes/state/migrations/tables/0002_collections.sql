-- What was collected. Objects are immutable parquet files, `tables/objects/<sha256>.parquet`; changing these rows is the flip.
CREATE TABLE tables.collections (
    table_id VARCHAR PRIMARY KEY,
    started_at TIMESTAMPTZ NOT NULL,     -- of the last run
    ended_at TIMESTAMPTZ NOT NULL,
    succeeded_at TIMESTAMPTZ,            -- when the last run that succeeded began
    changed_at TIMESTAMPTZ,              -- when the objects last changed
    error VARCHAR,                       -- of the last run, NULL if it succeeded
    failures INTEGER NOT NULL,           -- in a row
    retry_at TIMESTAMPTZ,                -- of a table that failed
    hash VARCHAR,                        -- of the list of objects; NULL before the first success
    rows BIGINT NOT NULL,
    size_bytes BIGINT NOT NULL,
    columns VARCHAR NOT NULL,            -- JSON list of {name, type}
    watermark VARCHAR,                   -- of incremental tables: the greatest value of the column so far, as SQL text
    backfilled_to DATE,                  -- of partitioned tables: the first day that was asked for
    backfill_empty INTEGER NOT NULL,     -- steps of the first load that found nothing, in a row
    backfill_done BOOLEAN NOT NULL
);

CREATE TABLE tables.objects (
    table_id VARCHAR NOT NULL,
    partition VARCHAR NOT NULL,          -- such as 2026-11; empty where a table has none
    position INTEGER NOT NULL,           -- within the partition
    sha256 VARCHAR NOT NULL,
    size_bytes BIGINT NOT NULL,
    rows BIGINT NOT NULL,
    PRIMARY KEY (table_id, partition, position)
);

CREATE TABLE tables.runs (
    id VARCHAR PRIMARY KEY,              -- ULID
    table_id VARCHAR NOT NULL,
    reason VARCHAR NOT NULL,             -- schedule, or the e-mail address of who asked
    started_at TIMESTAMPTZ NOT NULL,
    ended_at TIMESTAMPTZ NOT NULL,
    status VARCHAR NOT NULL,             -- ok, unchanged, failed
    rows BIGINT NOT NULL,
    size_bytes BIGINT NOT NULL,
    error VARCHAR
);
CREATE INDEX runs_by_table ON tables.runs (table_id);

-- Objects that no table names any more. They stay for a day, since somebody may be downloading them.
CREATE TABLE tables.retired (
    sha256 VARCHAR PRIMARY KEY,
    retired_at TIMESTAMPTZ NOT NULL,
    removing BOOLEAN NOT NULL            -- it is being deleted: whoever wants it again waits until it is gone
);
