-- Everything that a bill depends on. Prices: cache writes of an hour (none: twice the price of input) and 1,000 web searches
-- (none: 10 dollars). The list prices that 0003 put in are gone: a maintained list is in force where no admin has set a price.
ALTER TABLE telemetry.prices ADD COLUMN cache_write_1h DOUBLE;
ALTER TABLE telemetry.prices ADD COLUMN web_search DOUBLE;
DELETE FROM telemetry.prices WHERE set_by = 'default';

-- Of a session: those of cache_creation_tokens that are kept for an hour; what all of it costs by the price list, and the client's
-- own bill beside it (docs/telemetry.md). None: the session was extracted before they were counted, and will be again.
ALTER TABLE telemetry.sessions ADD COLUMN cache_creation_1h_tokens BIGINT;
ALTER TABLE telemetry.sessions ADD COLUMN web_searches BIGINT;
ALTER TABLE telemetry.sessions ADD COLUMN list_cost_usd DOUBLE;
ALTER TABLE telemetry.sessions ADD COLUMN unpriced_tokens BIGINT;
ALTER TABLE telemetry.sessions ADD COLUMN client_cost_usd DOUBLE;
ALTER TABLE telemetry.sessions ADD COLUMN bill_status VARCHAR;
ALTER TABLE telemetry.sessions ADD COLUMN price_mismatches VARCHAR[];

-- Carried: later in a turn, under the stamp of a skill that did not work itself; the rest is its own.
ALTER TABLE telemetry.item_daily ADD COLUMN cache_creation_1h_tokens BIGINT;
ALTER TABLE telemetry.item_daily ADD COLUMN web_searches BIGINT;
ALTER TABLE telemetry.item_windows ADD COLUMN cache_creation_1h_tokens_30d BIGINT;
ALTER TABLE telemetry.item_windows ADD COLUMN web_searches_30d BIGINT;
ALTER TABLE telemetry.item_windows ADD COLUMN carried_tokens_30d BIGINT;
ALTER TABLE telemetry.item_windows ADD COLUMN carried_cost_usd_30d DOUBLE;
ALTER TABLE telemetry.item_windows ADD COLUMN carried_unpriced_tokens_30d BIGINT;

UPDATE telemetry.progress SET revision = revision + 1, windows_day = NULL;
