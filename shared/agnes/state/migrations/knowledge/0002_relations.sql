-- The text of an item that was compared with the others; another text is compared again.
CREATE TABLE knowledge.compared (
    item_id VARCHAR PRIMARY KEY,
    revision INTEGER NOT NULL,
    attempts INTEGER NOT NULL,           -- that failed, of this revision
    compared_at TIMESTAMPTZ NOT NULL
);
