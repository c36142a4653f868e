-- Why: the shared ledger's audit records must be searchable. Filled from this organization's own committed, valid
-- transactions, block by block; it can be dropped and filled again from the blocks at any time.

CREATE TABLE log.audit_record (
    block_number bigint NOT NULL,
    tx_number integer NOT NULL,
    namespace text COLLATE "C" NOT NULL,
    record_key text COLLATE "C" NOT NULL,
    kind text COLLATE "C" NOT NULL,
    organization text COLLATE "C" NOT NULL,
    transaction_id text COLLATE "C" NOT NULL,
    recorded_at timestamptz NOT NULL,
    from_seq bigint,
    to_seq bigint,
    -- Organization and common name of the transaction's creator.
    signer text NOT NULL,
    body text NOT NULL,
    PRIMARY KEY (block_number, tx_number, record_key)
);
CREATE INDEX audit_record_by_kind ON log.audit_record (kind, organization, block_number, tx_number);
CREATE INDEX audit_record_by_key ON log.audit_record (record_key, block_number, tx_number);
CREATE INDEX audit_record_by_transaction ON log.audit_record (transaction_id);
CREATE INDEX audit_record_by_range ON log.audit_record (organization, kind, to_seq) WHERE to_seq IS NOT NULL;

-- Blocks that decide how other blocks are judged: configurations of the channel, definitions of its contracts.
CREATE TABLE log.landmark (
    block_number bigint NOT NULL,
    tx_number integer NOT NULL,
    kind text COLLATE "C" NOT NULL CHECK (kind IN ('config', 'definition')),
    name text COLLATE "C" NOT NULL,
    PRIMARY KEY (block_number, tx_number, kind, name)
);

-- The one row that says which block is to be read next, and the tip of what was read.
CREATE TABLE log.follower (
    sole boolean PRIMARY KEY DEFAULT true CHECK (sole),
    next_block bigint NOT NULL,
    block_hash bytea NOT NULL,
    commit_hash bytea NOT NULL
);

-- A reviewer's reason stays here; the shared ledger holds its salted commitment.
CREATE TABLE log.review_reason (
    record_id text COLLATE "C" NOT NULL,
    commitment bytea PRIMARY KEY CHECK (length(commitment) = 32),
    salt bytea NOT NULL CHECK (length(salt) = 32),
    reason text NOT NULL
);

GRANT SELECT ON ALL TABLES IN SCHEMA log TO dwaybank_application, dwaybank_reader;
GRANT INSERT ON log.audit_record, log.landmark, log.follower, log.review_reason TO dwaybank_application;
GRANT UPDATE ON log.follower TO dwaybank_application;
