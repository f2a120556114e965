-- Links that set a password or sign in once: invitations, password resets, sign-in links. Of the secret only its hash.
CREATE TABLE people.links (
    id VARCHAR PRIMARY KEY,
    user_id VARCHAR NOT NULL,
    purpose VARCHAR NOT NULL,        -- invitation, reset, sign_in
    secret_hash VARCHAR NOT NULL,
    created_at TIMESTAMPTZ NOT NULL,
    created_by VARCHAR,              -- e-mail address of the admin; none: the person asked themselves
    expires_at TIMESTAMPTZ NOT NULL,
    used_at TIMESTAMPTZ
);
