-- Names and e-mail addresses must live apart from the books: here, and nowhere else, a pseudonymous account has an owner.

CREATE TABLE gateway.customer (
    customer_id   uuid PRIMARY KEY,
    email         text NOT NULL UNIQUE CHECK (email = lower(email) AND length(email) BETWEEN 3 AND 254),
    display_name  text NOT NULL CHECK (length(display_name) BETWEEN 1 AND 80),
    password_hash text NOT NULL,
    status        text NOT NULL DEFAULT 'active' CHECK (status IN ('active', 'suspended')),
    created_at    timestamptz NOT NULL
);

-- A family is one login; every refresh token of it descends from that login. One token used twice revokes them all.
CREATE TABLE gateway.refresh_family (
    family_id   uuid PRIMARY KEY,
    customer_id uuid NOT NULL REFERENCES gateway.customer,
    created_at  timestamptz NOT NULL,
    revoked_at  timestamptz
);

CREATE TABLE gateway.refresh_token (
    token_digest bytea PRIMARY KEY CHECK (length(token_digest) = 32),
    family_id    uuid NOT NULL REFERENCES gateway.refresh_family,
    issued_at    timestamptz NOT NULL,
    expires_at   timestamptz NOT NULL,
    used_at      timestamptz
);
CREATE INDEX refresh_token_family ON gateway.refresh_token (family_id);

-- Only digests of what was typed as e-mail: people type passwords into the wrong field.
CREATE TABLE gateway.login_failure (
    subject   bytea NOT NULL CHECK (length(subject) = 32),
    failed_at timestamptz NOT NULL
);
CREATE INDEX login_failure_subject ON gateway.login_failure (subject, failed_at);

CREATE TABLE gateway.customer_account (
    account     text PRIMARY KEY,
    customer_id uuid NOT NULL REFERENCES gateway.customer,
    asset       text NOT NULL,
    label       text NOT NULL CHECK (length(label) <= 80),
    opened_at   timestamptz NOT NULL
);
CREATE INDEX customer_account_customer ON gateway.customer_account (customer_id, opened_at);
