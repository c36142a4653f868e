-- Strangers' wrong passwords must not shut a customer out where he has logged in before: what is kept of that is a
-- digest of e-mail and network address, as of failures.
CREATE TABLE gateway.known_sender (
    subject bytea PRIMARY KEY CHECK (length(subject) = 32),
    seen_at timestamptz NOT NULL
);
CREATE INDEX known_sender_time ON gateway.known_sender (seen_at);
