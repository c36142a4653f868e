-- Why: the journal grows for ever; in partitions by number each part can be archived, and what is written stays small
-- (docs/adr/0016-journal-partitions.md). Rows that stand become the first partition as they are: none is rewritten, and
-- none is judged anew, because one that someone changed must not keep the node from starting: its audit names it.

DROP VIEW IF EXISTS ledger.posting_view;
DROP VIEW IF EXISTS ledger.signed_posting;
DROP VIEW IF EXISTS ledger.entry_view;
DROP VIEW IF EXISTS ledger.rate_audit;
DROP VIEW IF EXISTS ledger.schedule_audit;
DROP FUNCTION IF EXISTS ledger.postings_on;
-- A partition that leaves takes its numbers along; the functions that write beside the entries look for them, and the
-- proof of the books looks again.
ALTER TABLE ledger.description DROP CONSTRAINT description_seq_fkey;
ALTER TABLE ledger.metadata DROP CONSTRAINT metadata_seq_fkey;

ALTER TABLE ledger.entry RENAME TO entry_1;
ALTER INDEX ledger.entry_pkey RENAME TO entry_1_pkey;
ALTER INDEX ledger.entry_by_settlement RENAME TO entry_1_by_settlement;
ALTER INDEX ledger.entry_by_reversed RENAME TO entry_1_by_reversed;

-- What every partition looks like; never written itself. Columns of fixed width come first and the widest before the
-- others, so that no byte is lost between them.
CREATE TABLE ledger.entry_form (
    seq bigint NOT NULL CHECK (seq > 0),
    posted_at timestamptz NOT NULL,
    effective_at timestamptz NOT NULL,
    debit_account bigint,
    credit_account bigint,
    amount bigint,
    debit_balance bigint,
    credit_balance bigint,
    debit_previous bigint,
    credit_previous bigint,
    asset_id smallint,
    decision_outcome smallint NOT NULL CHECK (decision_outcome IN (1, 2)),
    form smallint NOT NULL DEFAULT 2 CHECK (form IN (1, 2)),
    key uuid NOT NULL,
    decision_id uuid NOT NULL,
    decision_leaf bytea NOT NULL CHECK (octet_length(decision_leaf) = 32),
    salt bytea NOT NULL CHECK (octet_length(salt) = 32),
    leaf bytea NOT NULL CHECK (octet_length(leaf) = 32),
    request_hash bytea CHECK (octet_length(request_hash) IN (16, 32)),
    actor_id integer,
    chain_seq bigint,
    reverses bigint,
    hold_id uuid,
    settlement_id text CHECK (char_length(settlement_id) BETWEEN 1 AND 64),
    description_commitment bytea CHECK (octet_length(description_commitment) = 32),
    metadata_commitment bytea CHECK (octet_length(metadata_commitment) = 32),
    posting_account bigint[],
    posting_asset smallint[],
    posting_amount bigint[],
    posting_balance bigint[],
    posting_previous bigint[],
    CONSTRAINT entry_times_finite CHECK (isfinite(posted_at) AND isfinite(effective_at)),
    -- An entry of two postings and nothing else tells what was asked; any other keeps a hash of it.
    CONSTRAINT entry_request_told CHECK (
        request_hash IS NOT NULL OR posting_amount IS NULL AND num_nonnulls(
            settlement_id, description_commitment, metadata_commitment, actor_id, chain_seq, reverses, hold_id
        ) = 0
    ),
    -- A comparison with null refuses nothing: so each form says IS TRUE.
    CONSTRAINT entry_balanced CHECK (
        CASE
            WHEN posting_amount IS NULL THEN
                amount > 0 AND debit_account <> credit_account AND asset_id IS NOT NULL
                AND num_nulls(debit_balance, credit_balance, debit_previous, credit_previous) = 0
                AND num_nonnulls(posting_account, posting_asset, posting_balance, posting_previous) = 0
            ELSE
                num_nonnulls(
                    debit_account, credit_account, amount, asset_id, debit_balance, credit_balance, debit_previous,
                    credit_previous
                ) = 0
                AND cardinality(posting_account) = cardinality(posting_amount)
                AND cardinality(posting_asset) = cardinality(posting_amount)
                AND cardinality(posting_balance) = cardinality(posting_amount)
                AND cardinality(posting_previous) = cardinality(posting_amount)
                AND array_position(posting_account, NULL) IS NULL
                AND array_position(posting_asset, NULL) IS NULL
                AND array_position(posting_amount, NULL) IS NULL
                AND array_position(posting_balance, NULL) IS NULL
                AND array_position(posting_previous, NULL) IS NULL
                AND 0 <> ALL (posting_amount) AND ledger.entry_balances(posting_asset, posting_amount)
        END IS TRUE
    )
);
COMMENT ON COLUMN ledger.entry_form.request_hash IS
    'first 16 bytes of the SHA-256 of the request (in form 1 all of it); null where the row tells what was asked';
COMMENT ON COLUMN ledger.entry_form.debit_account IS
    'this and the seven below: an entry of two postings; null where arrays hold them';
COMMENT ON COLUMN ledger.entry_form.debit_balance IS
    'the debited account''s balance after the entry, on its normal side';
COMMENT ON COLUMN ledger.entry_form.debit_previous IS
    'the entry before this one that touched the debited account; 0 for none';
COMMENT ON COLUMN ledger.entry_form.posting_amount IS 'minor units, debit above zero, credit below';
COMMENT ON COLUMN ledger.entry_form.posting_balance IS
    'the account''s balance after the posting, on its normal side';
COMMENT ON COLUMN ledger.entry_form.posting_previous IS
    'the entry before this one that touched the account; 0 for none';
COMMENT ON COLUMN ledger.entry_form.decision_outcome IS '1 automated_approval, 2 requires_manual_review';
COMMENT ON COLUMN ledger.entry_form.form IS 'version of the canonical form that the leaf was made of';
COMMENT ON COLUMN ledger.entry_form.chain_seq IS 'first entry of the linked entries that stood or fell together';
COMMENT ON COLUMN ledger.entry_form.reverses IS 'the entry that this one takes back, in whole or in part';

-- The journal: for reading. Rules, unique keys and triggers stand on the partitions, which the writer writes itself.
CREATE TABLE ledger.entry (LIKE ledger.entry_form INCLUDING DEFAULTS INCLUDING COMMENTS) PARTITION BY RANGE (seq);
DO $$
DECLARE
    v_column name;
BEGIN
    -- Each partition says for itself what may not be missing.
    FOR v_column IN SELECT attname FROM pg_attribute
        WHERE attrelid = 'ledger.entry'::regclass AND attnum > 0 AND attnotnull AND attname <> 'seq' LOOP
        EXECUTE format('ALTER TABLE ledger.entry ALTER COLUMN %I DROP NOT NULL', v_column);
    END LOOP;
END
$$;
ALTER TABLE ledger.entry ADD PRIMARY KEY (seq);
CREATE INDEX entry_by_settlement ON ledger.entry (settlement_id) WHERE settlement_id IS NOT NULL;
CREATE INDEX entry_by_reversed ON ledger.entry (reverses) WHERE reverses IS NOT NULL;
CREATE TRIGGER entry_is_history BEFORE UPDATE OR DELETE OR TRUNCATE ON ledger.entry
    FOR EACH STATEMENT EXECUTE FUNCTION ledger.refuse_edit();
CREATE TRIGGER entry_arrives AFTER INSERT ON ledger.entry
    FOR EACH STATEMENT EXECUTE FUNCTION ledger.note_arrival();

CREATE TABLE ledger.partition (
    first_seq bigint PRIMARY KEY CHECK (first_seq > 0),
    last_seq bigint NOT NULL CHECK (last_seq >= first_seq),
    table_name name NOT NULL UNIQUE,
    greatest_key uuid
);
COMMENT ON TABLE ledger.partition IS 'parts of the journal; ledger.add_partition makes the next one';
COMMENT ON COLUMN ledger.partition.greatest_key IS 'of its entries, once the entries have gone past it; null before';
CREATE TRIGGER partition_is_kept BEFORE DELETE OR TRUNCATE ON ledger.partition
    FOR EACH STATEMENT EXECUTE FUNCTION ledger.refuse_edit();

-- Books that hold nothing begin with a partition of the new form; others keep their rows where they are.
DO $$
DECLARE
    c_entries CONSTANT bigint := 8388608;
    v_last bigint;
BEGIN
    SELECT max(seq) INTO v_last FROM ledger.entry_1;
    IF v_last IS NULL THEN
        -- What hangs on it stands in other schemas, which make it anew.
        DROP TABLE ledger.entry_1 CASCADE;
        RETURN;
    END IF;
    v_last := ((v_last - 1) / c_entries + 1) * c_entries;
    EXECUTE format('ALTER TABLE ledger.entry ATTACH PARTITION ledger.entry_1 FOR VALUES FROM (1) TO (%s)', v_last + 1);
    ALTER TABLE ledger.entry_1
        ALTER COLUMN request_hash DROP NOT NULL,
        ADD CONSTRAINT entry_request_told CHECK (
            request_hash IS NOT NULL OR posting_amount IS NULL AND num_nonnulls(
                settlement_id, description_commitment, metadata_commitment, actor_id, chain_seq, reverses, hold_id
            ) = 0
        ) NOT VALID;
    INSERT INTO ledger.partition (first_seq, last_seq, table_name) VALUES (1, v_last, 'entry_1');
END
$$;
