-- What admins tell everybody.
CREATE TABLE people.news (
    id VARCHAR PRIMARY KEY,
    title VARCHAR NOT NULL,
    body VARCHAR NOT NULL,           -- Markdown
    published_at TIMESTAMPTZ NOT NULL,
    published_by VARCHAR NOT NULL,
    updated_at TIMESTAMPTZ           -- none: as it was published
);
