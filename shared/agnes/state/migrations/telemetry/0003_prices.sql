-- What a million tokens cost, in US dollars, from a day on. `model` may end in *, and then stands for every model that
-- begins so; the longest one that fits counts (agnes.telemetry.prices).
-- A model that none fits is unpriced.
CREATE TABLE telemetry.prices (
    model VARCHAR NOT NULL,
    valid_from DATE NOT NULL,
    input DOUBLE NOT NULL,
    output DOUBLE NOT NULL,
    cache_read DOUBLE NOT NULL,
    cache_write DOUBLE NOT NULL,
    set_at TIMESTAMPTZ NOT NULL,
    set_by VARCHAR NOT NULL,             -- an e-mail address, or `default`
    PRIMARY KEY (model, valid_from)
);

-- List prices as they were known in November 2025, so that a new installation has figures; admins set their own.
INSERT INTO telemetry.prices
SELECT model, DATE '2024-01-01', input, output, input / 10, input * 1.25, TIMESTAMPTZ '2025-11-25 00:00:00+00', 'default'
FROM (VALUES
    ('claude-opus-4-5*', 5.0, 25.0),
    ('claude-opus-4-1*', 15.0, 75.0),
    ('claude-opus-4-20*', 15.0, 75.0),
    ('claude-3-opus*', 15.0, 75.0),
    ('claude-sonnet-4*', 3.0, 15.0),
    ('claude-3-7-sonnet*', 3.0, 15.0),
    ('claude-3-5-sonnet*', 3.0, 15.0),
    ('claude-haiku-4-5*', 1.0, 5.0),
    ('claude-3-5-haiku*', 0.8, 4.0)
) AS known(model, input, output);

-- Of the tokens of 30 days, at the price of their day. Tokens of a model without a price are counted, never priced at zero.
ALTER TABLE telemetry.item_windows ADD COLUMN cost_usd_30d DOUBLE;
ALTER TABLE telemetry.item_windows ADD COLUMN unpriced_tokens_30d BIGINT;

-- Windows made before have no cost: the next run makes them again.
UPDATE telemetry.progress SET revision = revision + 1, windows_day = NULL;
