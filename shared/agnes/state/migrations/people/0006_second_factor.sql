-- Second factors of local accounts. The key itself is not here: it is derived from `nonce` and a secret of the installation.
CREATE TABLE people.second_factors (
    user_id VARCHAR PRIMARY KEY,
    nonce VARCHAR NOT NULL,
    created_at TIMESTAMPTZ NOT NULL,
    confirmed_at TIMESTAMPTZ,        -- none: shown and not confirmed by a code yet, so not asked for
    last_step BIGINT NOT NULL        -- of the newest code that was used: a code works once
);

CREATE TABLE people.recovery_codes (
    user_id VARCHAR NOT NULL,
    code_hash VARCHAR NOT NULL,
    used_at TIMESTAMPTZ,
    PRIMARY KEY (user_id, code_hash)
);
