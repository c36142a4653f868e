-- Why: the time from posting to anchoring is still told after a restart.

CREATE TABLE log.anchor_time (
    size bigint PRIMARY KEY,
    previous_size bigint NOT NULL CHECK (previous_size < size),
    committed_at timestamptz NOT NULL
);

GRANT SELECT ON log.anchor_time TO dwaybank_application, dwaybank_reader;
GRANT INSERT ON log.anchor_time TO dwaybank_application;
