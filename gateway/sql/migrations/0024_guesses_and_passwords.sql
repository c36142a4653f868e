-- One who tries one password on thousands of customers fails once with each: counted by where he sits, one row for each
-- customer whom he did not know there. Digests only, as of other failures.
CREATE TABLE gateway.sender_failure (
    sender    bytea NOT NULL CHECK (length(sender) = 32),
    subject   bytea NOT NULL CHECK (length(subject) = 32),
    failed_at timestamptz NOT NULL,
    PRIMARY KEY (sender, subject)
);
CREATE INDEX sender_failure_time ON gateway.sender_failure (failed_at);

-- A customer who changes his password ends what whoever knew the old one had opened, access tokens too: they carry this
-- number, and no clock decides which came first.
ALTER TABLE gateway.customer ADD COLUMN password_changes integer NOT NULL DEFAULT 0;
