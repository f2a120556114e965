-- Who asked for which curated plugin. A row is a wish: what is served also needs a grant.
CREATE TABLE stack.subscriptions (
    user_id VARCHAR NOT NULL,
    marketplace_id VARCHAR NOT NULL,
    plugin_name VARCHAR NOT NULL,
    subscribed_at TIMESTAMPTZ NOT NULL,
    PRIMARY KEY (user_id, marketplace_id, plugin_name)
);
