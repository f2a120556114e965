-- expands: the release before names its columns in every INSERT into audit; its lines have no digest.
-- Each line names the digest of the one before (agnes.kernel.chain, docs/audit.md).
ALTER TABLE {file}.audit ADD COLUMN seq BIGINT;
ALTER TABLE {file}.audit ADD COLUMN previous VARCHAR;
ALTER TABLE {file}.audit ADD COLUMN digest VARCHAR;
CREATE TABLE {file}.audit_heads (chain VARCHAR NOT NULL, seq BIGINT NOT NULL, digest VARCHAR NOT NULL);
