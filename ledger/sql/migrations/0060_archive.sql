-- Why: entries of old, closed periods leave the database for a file that keeps every proof (docs/archive.md). What stays is
-- enough for everything after them to be exact, and for repeats of their requests to be answered: nothing else.
-- What is archived is always a beginning of the journal, entries 1 up to a border.

CREATE TABLE ledger.archive (
    number integer PRIMARY KEY CHECK (number > 0),
    first_seq bigint NOT NULL CHECK (first_seq > 0),
    last_seq bigint NOT NULL,
    latest_at timestamptz NOT NULL CHECK (isfinite(latest_at)),
    posted_until timestamptz NOT NULL,
    greatest_key uuid NOT NULL,
    file_name text NOT NULL CHECK (char_length(file_name) BETWEEN 1 AND 255),
    file_bytes bigint NOT NULL CHECK (file_bytes > 0),
    file_sha256 bytea NOT NULL CHECK (octet_length(file_sha256) = 32),
    keys_sha256 bytea NOT NULL CHECK (octet_length(keys_sha256) = 32),
    state_sha256 bytea NOT NULL CHECK (octet_length(state_sha256) = 32),
    signature bytea NOT NULL CHECK (octet_length(signature) = 64),
    archived_at timestamptz NOT NULL,
    actor text NOT NULL CHECK (actor ~ '^[A-Za-z0-9:_.@-]{1,64}$'),
    restored_at timestamptz,
    CHECK (last_seq >= first_seq)
);
COMMENT ON COLUMN ledger.archive.latest_at IS 'no entry of it was posted later, and none counts for a later time';
COMMENT ON COLUMN ledger.archive.posted_until IS 'when its last entry was posted';
COMMENT ON COLUMN ledger.archive.keys_sha256 IS 'over the rows of past_key that stand for its entries (ledger/archive_state.py)';
COMMENT ON COLUMN ledger.archive.state_sha256 IS 'over account_opening and hold_opening as it left them';
COMMENT ON COLUMN ledger.archive.signature IS 'of the posting engine, over all of the above (ledger/archive_state.py)';
COMMENT ON COLUMN ledger.archive.restored_at IS 'when its entries came back; null while they are archived';
CREATE TRIGGER archive_is_history BEFORE DELETE OR TRUNCATE ON ledger.archive
    FOR EACH STATEMENT EXECUTE FUNCTION ledger.refuse_edit();
CREATE TRIGGER archive_record_is_fixed BEFORE UPDATE OF number, first_seq, last_seq, latest_at, posted_until,
    greatest_key, file_name, file_bytes, file_sha256, keys_sha256, state_sha256, signature, archived_at, actor
    ON ledger.archive FOR EACH STATEMENT EXECUTE FUNCTION ledger.refuse_edit();

-- Where accounts and holds stood at the border, as the entries up to there leave them.
CREATE TABLE ledger.account_opening (
    account_id bigint PRIMARY KEY,
    balance bigint NOT NULL,
    last_seq bigint NOT NULL,
    posting_count bigint NOT NULL
);
CREATE TABLE ledger.hold_opening (
    hold_id uuid PRIMARY KEY,
    captured bigint NOT NULL,
    entry_seq bigint NOT NULL
);
COMMENT ON TABLE ledger.hold_opening IS 'holds that entries on both sides of the border captured';

-- Keys of archived entries, with what a repeat of their requests is answered from.
CREATE TABLE ledger.past_key (
    seq bigint NOT NULL,
    debit_account bigint,
    credit_account bigint,
    amount bigint,
    key uuid PRIMARY KEY,
    decision_outcome smallint NOT NULL CHECK (decision_outcome IN (1, 2)),
    leaf bytea NOT NULL CHECK (octet_length(leaf) = 32),
    request_hash bytea CHECK (octet_length(request_hash) IN (16, 32)),
    settlement_id text,
    CHECK (request_hash IS NOT NULL OR num_nulls(debit_account, credit_account, amount) = 0)
);
-- Rows come in the order of seq: a few bytes for each range of pages find them.
CREATE INDEX past_key_by_seq ON ledger.past_key USING brin (seq) WITH (pages_per_range = 16);
CREATE INDEX past_key_by_settlement ON ledger.past_key (settlement_id) WHERE settlement_id IS NOT NULL;

CREATE TRIGGER account_opening_is_history BEFORE UPDATE OR DELETE OR TRUNCATE ON ledger.account_opening
    FOR EACH STATEMENT EXECUTE FUNCTION ledger.refuse_edit();
CREATE TRIGGER hold_opening_is_history BEFORE UPDATE OR DELETE OR TRUNCATE ON ledger.hold_opening
    FOR EACH STATEMENT EXECUTE FUNCTION ledger.refuse_edit();
CREATE TRIGGER past_key_is_history BEFORE UPDATE OR DELETE OR TRUNCATE ON ledger.past_key
    FOR EACH STATEMENT EXECUTE FUNCTION ledger.refuse_edit();

-- It takes an account too from now on.
DROP FUNCTION IF EXISTS ledger.seq_at(timestamptz);
