-- People whom an identity provider or a directory vouches for.
ALTER TABLE people.users ADD COLUMN managed_by VARCHAR;   -- google, oidc, scim; none: a local account
ALTER TABLE people.groups ADD COLUMN external_id VARCHAR; -- the directory's name or id of the group

-- An account at an identity provider: OpenID Connect's issuer and subject, which never change, unlike an address.
CREATE TABLE people.identities (
    issuer VARCHAR NOT NULL,
    subject VARCHAR NOT NULL,
    user_id VARCHAR NOT NULL,
    linked_at TIMESTAMPTZ NOT NULL,
    PRIMARY KEY (issuer, subject)
);
