-- Characters that `claude plugin details` says a component puts into every session; 0 until the next sync reads it.
ALTER TABLE marketplace.items ADD COLUMN always_on BIGINT DEFAULT 0;
