-- What the curator wrote for the pages (marketplace-metadata.json), settled at sync: `agnes.marketplace.metadata`.
ALTER TABLE marketplace.plugins ADD COLUMN metadata JSON;
