-- Who there is, what they may, and with what they prove who they are. Columns `*_by` hold e-mail addresses.
CREATE TABLE people.users (
    id VARCHAR PRIMARY KEY,
    email VARCHAR NOT NULL,          -- lower case, unique: checked in the transaction, commits are serial
    name VARCHAR NOT NULL,
    password_hash VARCHAR,           -- Argon2id; none: cannot sign in with a password
    active BOOLEAN NOT NULL,
    created_at TIMESTAMPTZ NOT NULL,
    updated_at TIMESTAMPTZ NOT NULL,
    deactivated_at TIMESTAMPTZ,
    deactivated_by VARCHAR
);

CREATE TABLE people.groups (
    id VARCHAR PRIMARY KEY,
    name VARCHAR NOT NULL,
    description VARCHAR NOT NULL,
    is_system BOOLEAN NOT NULL,
    created_at TIMESTAMPTZ NOT NULL,
    created_by VARCHAR
);

INSERT INTO people.groups VALUES
    ('admin', 'Admin', 'May do everything here except see plugins that were not granted.', true, now(), NULL),
    ('everyone', 'Everyone', 'Every active account.', true, now(), NULL);

-- Nobody has a row for Everyone: its members are derived.
CREATE TABLE people.memberships (
    user_id VARCHAR NOT NULL,
    group_id VARCHAR NOT NULL,
    source VARCHAR NOT NULL,         -- admin, system_seed, google_sync, cli_break_glass
    added_at TIMESTAMPTZ NOT NULL,
    added_by VARCHAR,
    PRIMARY KEY (user_id, group_id)
);

CREATE TABLE people.grants (
    id VARCHAR PRIMARY KEY,
    group_id VARCHAR NOT NULL,
    resource_type VARCHAR NOT NULL,
    resource_id VARCHAR NOT NULL,
    assigned_at TIMESTAMPTZ NOT NULL,
    assigned_by VARCHAR
);

-- Personal access tokens and sessions: only the SHA-256 of each is kept.
CREATE TABLE people.tokens (
    id VARCHAR PRIMARY KEY,
    user_id VARCHAR NOT NULL,
    name VARCHAR NOT NULL,
    token_hash VARCHAR NOT NULL,
    prefix VARCHAR NOT NULL,         -- what a person recognises a token by
    scope VARCHAR NOT NULL,
    created_at TIMESTAMPTZ NOT NULL,
    expires_at TIMESTAMPTZ,
    revoked_at TIMESTAMPTZ,
    revoked_by VARCHAR
);

CREATE TABLE people.sessions (
    id VARCHAR PRIMARY KEY,
    user_id VARCHAR NOT NULL,
    token_hash VARCHAR NOT NULL,
    created_at TIMESTAMPTZ NOT NULL,
    expires_at TIMESTAMPTZ NOT NULL,
    revoked_at TIMESTAMPTZ,
    client_ip VARCHAR NOT NULL
);

-- At most one row: the newest one-time setup secret, hashed.
CREATE TABLE people.setup (
    secret_hash VARCHAR NOT NULL,
    created_at TIMESTAMPTZ NOT NULL,
    expires_at TIMESTAMPTZ NOT NULL
);
