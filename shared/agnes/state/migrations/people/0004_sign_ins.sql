-- Sign-ins are objects (agnes.accounts.sign_ins); here is what ends them before they expire. `people.sessions` keeps those
-- that were begun before, until they expire.
CREATE TABLE people.sign_in_epochs (
    user_id VARCHAR PRIMARY KEY,
    epoch BIGINT NOT NULL,           -- sign-ins of a lower one have ended; an account without a row is at 0
    kept VARCHAR                     -- id of the one sign-in of a lower epoch that goes on: that which ended the others
);

CREATE TABLE people.ended_sign_ins (
    sign_in_id VARCHAR PRIMARY KEY,
    user_id VARCHAR NOT NULL,
    ended_at TIMESTAMPTZ NOT NULL,
    expires_at TIMESTAMPTZ NOT NULL  -- of the sign-in; the row goes some time afterwards
);
