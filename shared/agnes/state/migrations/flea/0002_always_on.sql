-- As in marketplace.items.
ALTER TABLE flea.items ADD COLUMN always_on BIGINT DEFAULT 0;
