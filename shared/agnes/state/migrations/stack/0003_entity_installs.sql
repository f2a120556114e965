-- Who added which flea entity. A row is a wish: what is served must be approved, or archived since.
CREATE TABLE stack.entity_installs (
    user_id VARCHAR NOT NULL,
    entity_id VARCHAR NOT NULL,
    installed_at TIMESTAMPTZ NOT NULL,
    PRIMARY KEY (user_id, entity_id)
);
