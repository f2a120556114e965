-- What a directory keeps here by SCIM, as it sent it. Accounts and groups themselves are rows of users and groups.
CREATE TABLE people.scim_users (
    user_id VARCHAR PRIMARY KEY,
    user_name VARCHAR NOT NULL,      -- in lower case, unique: checked in the transaction
    external_id VARCHAR,
    resource VARCHAR NOT NULL,       -- JSON, without what is derived (id, meta, groups, active)
    created_at TIMESTAMPTZ NOT NULL,
    updated_at TIMESTAMPTZ NOT NULL
);

CREATE TABLE people.scim_groups (
    group_id VARCHAR PRIMARY KEY,
    display_name VARCHAR NOT NULL,   -- the group's name may differ, where admins here have one of that name
    external_id VARCHAR,
    created_at TIMESTAMPTZ NOT NULL,
    updated_at TIMESTAMPTZ NOT NULL
);
