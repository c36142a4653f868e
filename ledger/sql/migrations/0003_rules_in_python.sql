-- Why: the rules move out of the database into Python, the database keeps and proves (docs/adr/0015-rules-in-python.md).
-- An entry of two postings, the common one, stands in plain columns: smaller, faster, and balanced by its very form. All
-- others stay in arrays. Nothing here rewrites a row: every step is a change of the catalogue.

ALTER TABLE ledger.entry
    ALTER COLUMN posting_account DROP NOT NULL,
    ALTER COLUMN posting_asset DROP NOT NULL,
    ALTER COLUMN posting_amount DROP NOT NULL,
    ALTER COLUMN posting_balance DROP NOT NULL,
    ALTER COLUMN posting_previous DROP NOT NULL,
    ADD COLUMN debit_account bigint,
    ADD COLUMN credit_account bigint,
    ADD COLUMN amount bigint,
    ADD COLUMN debit_balance bigint,
    ADD COLUMN credit_balance bigint,
    ADD COLUMN debit_previous bigint,
    ADD COLUMN credit_previous bigint,
    ADD COLUMN asset_id smallint,
    ADD COLUMN form smallint NOT NULL DEFAULT 1 CHECK (form IN (1, 2)),
    ADD COLUMN actor_id integer,
    ADD COLUMN chain_seq bigint,
    ADD COLUMN reverses bigint,
    ADD COLUMN hold_id uuid,
    ADD COLUMN metadata_commitment bytea CHECK (octet_length(metadata_commitment) = 32),
    DROP CONSTRAINT entry_postings_aligned,
    DROP CONSTRAINT entry_postings_not_null,
    DROP CONSTRAINT entry_balanced,
    DROP CONSTRAINT entry_request_hash_check,
    ADD CONSTRAINT entry_request_hash_check CHECK (octet_length(request_hash) IN (16, 32)) NOT VALID,
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
ALTER TABLE ledger.entry ALTER COLUMN form SET DEFAULT 2;
COMMENT ON COLUMN ledger.entry.request_hash IS 'SHA-256 of the request, in form 2 its first 16 bytes';
COMMENT ON COLUMN ledger.entry.debit_account IS 'this and the seven below: an entry of two postings; null where arrays hold them';
COMMENT ON COLUMN ledger.entry.debit_balance IS 'the debited account''s balance after the entry, on its normal side';
COMMENT ON COLUMN ledger.entry.debit_previous IS 'the entry before this one that touched the debited account; 0 for none';
COMMENT ON COLUMN ledger.entry.form IS 'version of the canonical form that the leaf was made of';
COMMENT ON COLUMN ledger.entry.chain_seq IS 'first entry of the linked entries that stood or fell together';
COMMENT ON COLUMN ledger.entry.reverses IS 'the entry that this one takes back, in whole or in part';
CREATE INDEX entry_by_reversed ON ledger.entry (reverses) WHERE reverses IS NOT NULL;

-- Who asks: pseudonyms, written once and named by number in the entries.
CREATE TABLE ledger.actor (
    id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name text NOT NULL UNIQUE CHECK (name ~ '^[A-Za-z0-9:_.@-]{1,64}$')
);
CREATE TRIGGER actor_is_history BEFORE UPDATE OR DELETE OR TRUNCATE ON ledger.actor
    FOR EACH STATEMENT EXECUTE FUNCTION ledger.refuse_edit();

-- Beside the entry, like its description, so that it can be erased while every proof stays.
CREATE TABLE ledger.metadata (
    seq bigint PRIMARY KEY REFERENCES ledger.entry,
    salt bytea NOT NULL CHECK (octet_length(salt) = 32),
    pairs jsonb NOT NULL CHECK (jsonb_typeof(pairs) = 'object')
);
CREATE INDEX metadata_by_pair ON ledger.metadata USING gin (pairs jsonb_path_ops);

-- A sparse index of each account's chain of postings: where to enter it near a number or a time.
CREATE TABLE ledger.mark (
    account_id bigint NOT NULL,
    number bigint NOT NULL,
    seq bigint NOT NULL,
    posted_at timestamptz NOT NULL,
    PRIMARY KEY (account_id, number)
);
COMMENT ON TABLE ledger.mark IS
    'written when an account''s count of postings passes a multiple of 64; at most one for each commit; derived';

-- Postings that count for another time than that of their posting: few in most books, and all that makes balances in
-- time differ from the chain.
CREATE TABLE ledger.dated_posting (
    account_id bigint NOT NULL,
    effective_at timestamptz NOT NULL,
    seq bigint NOT NULL,
    posted_at timestamptz NOT NULL,
    change numeric NOT NULL,
    PRIMARY KEY (account_id, effective_at, seq)
);
COMMENT ON COLUMN ledger.dated_posting.change IS 'sum of the entry''s postings on the account, on its normal side';

-- Terms of an account: how far it may go. "terms" counts their changes, so that a writer's copy can be proved fresh.
ALTER TABLE ledger.account
    ADD COLUMN overdraft bigint NOT NULL DEFAULT 0 CHECK (overdraft BETWEEN 0 AND 4611686018427387903),
    ADD COLUMN ceiling bigint CHECK (abs(ceiling) < 4611686018427387904),
    ADD COLUMN terms bigint NOT NULL DEFAULT 0,
    DROP CONSTRAINT account_available_not_below_floor,
    ADD CONSTRAINT account_available_not_below_floor CHECK (floor IS NULL OR balance - held >= floor - overdraft)
        NOT VALID,
    ADD CONSTRAINT account_balance_not_above_ceiling CHECK (ceiling IS NULL OR balance <= ceiling) NOT VALID;
COMMENT ON COLUMN ledger.account.floor IS 'least available balance before the overdraft line; null for none';
COMMENT ON COLUMN ledger.account.overdraft IS 'how far below the floor the available balance may go';

CREATE TABLE ledger.account_change (
    account_id bigint NOT NULL REFERENCES ledger.account,
    number bigint NOT NULL,
    at timestamptz NOT NULL,
    actor text NOT NULL,
    before jsonb NOT NULL,
    after jsonb NOT NULL,
    PRIMARY KEY (account_id, number)
);
COMMENT ON COLUMN ledger.account_change.number IS 'the account''s terms after the change, counted from 1';
CREATE TRIGGER account_change_is_history BEFORE UPDATE OR DELETE OR TRUNCATE ON ledger.account_change
    FOR EACH STATEMENT EXECUTE FUNCTION ledger.refuse_edit();

-- Holds are captured in parts.
ALTER TABLE ledger.hold
    ADD COLUMN captured bigint NOT NULL DEFAULT 0,
    ADD CONSTRAINT hold_captured_within_amount CHECK (captured BETWEEN 0 AND amount) NOT VALID,
    DROP CONSTRAINT hold_check1;
UPDATE ledger.hold SET captured = amount WHERE state = 2;
COMMENT ON COLUMN ledger.hold.captured IS 'taken so far by entries that name the hold';
COMMENT ON COLUMN ledger.hold.entry_seq IS 'the newest entry that captured of it';

-- The writer appends entries itself; each statement that does leaves a mark here, and no transaction commits before
-- ledger.settle_batch has counted the entries, moved the head past them, recorded their signature and taken the mark away.
DROP TRIGGER entry_continues_sequence ON ledger.entry;
DROP FUNCTION ledger.check_sequence();
CREATE TABLE ledger.arrival (
    transaction xid8 NOT NULL DEFAULT pg_current_xact_id()
);
COMMENT ON TABLE ledger.arrival IS 'empty outside a commit: transactions whose entries are not settled yet';

CREATE FUNCTION ledger.note_arrival() RETURNS trigger LANGUAGE plpgsql
SECURITY DEFINER SET search_path = ledger, pg_temp AS $$
BEGIN
    INSERT INTO ledger.arrival DEFAULT VALUES;
    RETURN NULL;
END
$$;
CREATE TRIGGER entry_arrives AFTER INSERT ON ledger.entry
    FOR EACH STATEMENT EXECUTE FUNCTION ledger.note_arrival();

CREATE FUNCTION ledger.check_arrival() RETURNS trigger LANGUAGE plpgsql
SECURITY DEFINER SET search_path = ledger, pg_temp AS $$
BEGIN
    IF EXISTS (SELECT FROM ledger.arrival WHERE transaction = NEW.transaction) THEN
        RAISE EXCEPTION 'entries that no signed batch covers cannot be committed' USING ERRCODE = 'DW003';
    END IF;
    RETURN NULL;
END
$$;
CREATE CONSTRAINT TRIGGER arrival_is_settled AFTER INSERT ON ledger.arrival
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION ledger.check_arrival();

-- Closed periods.
ALTER TABLE ledger.head ADD COLUMN closed_before timestamptz NOT NULL DEFAULT '-infinity';
COMMENT ON COLUMN ledger.head.closed_before IS 'entries that count for an earlier time are refused';

DROP FUNCTION IF EXISTS ledger.post_entries;
DROP FUNCTION IF EXISTS ledger.judge_capture;
DROP FUNCTION IF EXISTS ledger.judge_refusal;
DROP FUNCTION IF EXISTS ledger.place_hold;
DROP FUNCTION IF EXISTS ledger.release_hold;
DROP FUNCTION IF EXISTS ledger.expire_holds;
DROP FUNCTION IF EXISTS ledger.describe_entries;
DROP FUNCTION IF EXISTS ledger.sign_batch;
DROP VIEW IF EXISTS ledger.posting_view;
DROP VIEW IF EXISTS ledger.entry_view;
DROP VIEW IF EXISTS ledger.account_view;
