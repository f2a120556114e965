-- What admins set in the browser, beneath the environment and above instance.yaml. A secret's row says only that one was given, and
-- when: its value is kept with the secrets.
CREATE TABLE people.configuration (
    path VARCHAR PRIMARY KEY,        -- as in instance.yaml, such as instance.brand
    value VARCHAR NOT NULL,          -- as a variable of the environment would hold it; empty for a secret
    updated_at TIMESTAMPTZ NOT NULL,
    updated_by VARCHAR NOT NULL
);
