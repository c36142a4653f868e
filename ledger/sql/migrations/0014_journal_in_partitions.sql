-- Why: the journal grows for ever; in partitions by number each part can be archived, and what is written stays small
-- (docs/adr/0016-journal-partitions.md). Rows that stand become the first partition as they are: none is rewritten, and
-- none is judged anew, because one that someone changed must not keep the node from starting: its audit names it.

-- Made anew after the migrations; those of other schemas are bound anew by their own.
DROP VIEW IF EXISTS ledger.posting_view, ledger.signed_posting, ledger.entry_view, ledger.rate_audit,
    ledger.schedule_audit CASCADE;
DROP FUNCTION IF EXISTS ledger.postings_on;
-- A partition that is archived takes its numbers along. The functions that write beside entries look for them, and the
-- proof of the books looks again.
ALTER TABLE ledger.description DROP CONSTRAINT description_seq_fkey;
ALTER TABLE ledger.metadata DROP CONSTRAINT metadata_seq_fkey;

ALTER TABLE ledger.entry RENAME TO entry_1;
ALTER INDEX ledger.entry_pkey RENAME TO entry_1_pkey;
ALTER INDEX ledger.entry_key_key RENAME TO entry_1_key_key;
ALTER INDEX ledger.entry_by_settlement RENAME TO entry_1_settlement_id_idx;
ALTER INDEX ledger.entry_by_reversed RENAME TO entry_1_reverses_idx;

-- The journal: readers read it whole, the writer writes into its partitions (functions/make_partitions.sql), which are
-- made like it. Columns of fixed width come first, the widest before the others, so that no byte is lost between them.
CREATE TABLE ledger.entry (
    seq bigint NOT NULL CONSTRAINT entry_seq_check CHECK (seq > 0),
    posted_at timestamptz NOT NULL,
    effective_at timestamptz,
    debit_account bigint,
    credit_account bigint,
    amount bigint,
    debit_balance bigint,
    credit_balance bigint,
    debit_previous bigint,
    credit_previous bigint,
    reverses bigint,
    chain_seq bigint,
    key uuid NOT NULL,
    decision_id uuid NOT NULL,
    hold_id uuid,
    actor_id integer,
    asset_id smallint,
    decision_outcome smallint NOT NULL CONSTRAINT entry_decision_outcome_check CHECK (decision_outcome IN (1, 2)),
    form smallint NOT NULL DEFAULT 2 CONSTRAINT entry_form_check CHECK (form IN (1, 2)),
    decision_leaf bytea NOT NULL CONSTRAINT entry_decision_leaf_check CHECK (octet_length(decision_leaf) = 32),
    salt bytea NOT NULL CONSTRAINT entry_salt_check CHECK (octet_length(salt) = 32),
    leaf bytea NOT NULL CONSTRAINT entry_leaf_check CHECK (octet_length(leaf) = 32),
    request_hash bytea,
    description_commitment bytea
        CONSTRAINT entry_description_commitment_check CHECK (octet_length(description_commitment) = 32),
    metadata_commitment bytea
        CONSTRAINT entry_metadata_commitment_check CHECK (octet_length(metadata_commitment) = 32),
    settlement_id text CONSTRAINT entry_settlement_id_check CHECK (char_length(settlement_id) BETWEEN 1 AND 64),
    posting_account bigint[],
    posting_asset smallint[],
    posting_amount bigint[],
    posting_balance bigint[],
    posting_previous bigint[]
) PARTITION BY RANGE (seq);

-- Each rule has the name and words that it has on the rows of before, and is as little proved of them (NOT VALID): else
-- they could not become a partition without being read. For partitions made later it holds from their first row on.
ALTER TABLE ledger.entry
    ADD CONSTRAINT entry_request_hash_check CHECK (octet_length(request_hash) IN (16, 32)) NOT VALID,
    ADD CONSTRAINT entry_times_finite CHECK (isfinite(posted_at) AND isfinite(effective_at)) NOT VALID,
    -- A comparison with null refuses nothing: so each form says IS TRUE.
    ADD CONSTRAINT entry_balanced CHECK (
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
    ) NOT VALID;
COMMENT ON TABLE ledger.entry IS 'the journal, in partitions by number; ledger.partition lists them';
COMMENT ON COLUMN ledger.entry.effective_at IS 'when it counts for; null where that is the time of its posting';
COMMENT ON COLUMN ledger.entry.request_hash IS
    'first 16 bytes of the SHA-256 of the request (in form 1 all of it); null where the row tells what was asked';
COMMENT ON COLUMN ledger.entry.debit_account IS
    'this, the six below and asset_id: an entry of two postings; null where arrays hold them';
COMMENT ON COLUMN ledger.entry.debit_balance IS 'the debited account''s balance after the entry, on its normal side';
COMMENT ON COLUMN ledger.entry.debit_previous IS 'the entry before this one that touched the debited account; 0 for none';
COMMENT ON COLUMN ledger.entry.reverses IS 'the entry that this one takes back, in whole or in part';
COMMENT ON COLUMN ledger.entry.chain_seq IS 'first entry of the linked entries that stood or fell together';
COMMENT ON COLUMN ledger.entry.decision_outcome IS '1 automated_approval, 2 requires_manual_review';
COMMENT ON COLUMN ledger.entry.form IS 'version of the canonical form that the leaf was made of';
COMMENT ON COLUMN ledger.entry.leaf IS 'SHA-256(0x00, salt, canonical form)';
COMMENT ON COLUMN ledger.entry.posting_amount IS 'minor units, debit above zero, credit below';
COMMENT ON COLUMN ledger.entry.posting_balance IS 'the account''s balance after the posting, on its normal side';
COMMENT ON COLUMN ledger.entry.posting_previous IS 'the entry before this one that touched the account; 0 for none';

ALTER TABLE ledger.entry ADD PRIMARY KEY (seq);
CREATE INDEX entry_by_settlement ON ledger.entry (settlement_id) WHERE settlement_id IS NOT NULL;
CREATE INDEX entry_by_reversed ON ledger.entry (reverses) WHERE reverses IS NOT NULL;
-- For statements that name the journal; each partition has the same for those that name it.
CREATE TRIGGER entry_is_history BEFORE UPDATE OR DELETE OR TRUNCATE ON ledger.entry
    FOR EACH STATEMENT EXECUTE FUNCTION ledger.refuse_edit();
CREATE TRIGGER entry_arrives AFTER INSERT ON ledger.entry
    FOR EACH STATEMENT EXECUTE FUNCTION ledger.note_arrival();

CREATE TABLE ledger.partition (
    first_seq bigint PRIMARY KEY CHECK (first_seq > 0),
    last_seq bigint NOT NULL UNIQUE CHECK (last_seq >= first_seq),
    table_name text NOT NULL UNIQUE,
    greatest_key uuid
);
COMMENT ON TABLE ledger.partition IS 'partitions of the journal, without a gap between them';
COMMENT ON COLUMN ledger.partition.greatest_key IS 'of its entries, once those after it have come; null before';
CREATE TRIGGER partition_is_kept BEFORE DELETE OR TRUNCATE ON ledger.partition
    FOR EACH STATEMENT EXECUTE FUNCTION ledger.refuse_edit();

CREATE TABLE ledger.partition_size (
    id smallint PRIMARY KEY DEFAULT 1 CHECK (id = 1),
    entries bigint NOT NULL DEFAULT 8388608 CHECK (entries > 0)
);
COMMENT ON COLUMN ledger.partition_size.entries IS 'numbers in each partition that is made from now on';
INSERT INTO ledger.partition_size DEFAULT VALUES;

-- Keys of entries that stand in the books no longer, with what a repeat of their request is answered from.
CREATE TABLE ledger.past_key (
    seq bigint NOT NULL,
    key uuid PRIMARY KEY,
    decision_outcome smallint NOT NULL CHECK (decision_outcome IN (1, 2)),
    leaf bytea NOT NULL CHECK (octet_length(leaf) = 32),
    request_hash bytea NOT NULL CHECK (octet_length(request_hash) IN (16, 32))
);
CREATE TRIGGER past_key_is_history BEFORE UPDATE OR DELETE OR TRUNCATE ON ledger.past_key
    FOR EACH STATEMENT EXECUTE FUNCTION ledger.refuse_edit();

DO $$
DECLARE
    v_last bigint;
BEGIN
    SELECT max(seq) INTO v_last FROM ledger.entry_1;
    IF v_last IS NULL THEN
        -- Books that hold nothing: their first partition has the better form, too.
        DROP TABLE ledger.entry_1 CASCADE;
        RETURN;
    END IF;
    -- It ends here: what is posted from now on goes into partitions of the better form.
    v_last := greatest(v_last, 1);
    ALTER TABLE ledger.entry_1
        ALTER COLUMN request_hash DROP NOT NULL,
        ALTER COLUMN effective_at DROP NOT NULL;
    EXECUTE format(
        'ALTER TABLE ledger.entry ATTACH PARTITION ledger.entry_1 FOR VALUES FROM (MINVALUE) TO (%s)',
        CASE WHEN v_last < 9223372036854775807 THEN (v_last + 1)::text ELSE 'MAXVALUE' END
    );
    INSERT INTO ledger.partition (first_seq, last_seq, table_name) VALUES (1, v_last, 'entry_1');
END
$$;

-- Only what the row tells by itself may go without a hash. On the journal and its partitions alike.
ALTER TABLE ledger.entry ADD CONSTRAINT entry_request_told CHECK (
    request_hash IS NOT NULL OR posting_amount IS NULL AND coalesce(effective_at, posted_at) = posted_at AND num_nonnulls(
        settlement_id, description_commitment, metadata_commitment, actor_id, chain_seq, reverses, hold_id
    ) = 0
) NOT VALID;
