-- Grants whose people have the plugin without asking, and cannot take it off. Ids are never used again,
-- so a row that outlives its grant says nothing.
CREATE TABLE stack.required_grants (
    grant_id VARCHAR PRIMARY KEY,
    set_at TIMESTAMPTZ NOT NULL,
    set_by VARCHAR NOT NULL
);
