-- Why: a refusal that follows from the books is a fact about them ("the money was not there"), and whoever keeps the books
-- must not be able to make one up, change one or lose one unseen (docs/adr/0018-refusals.md). Refusals stand in a chain of
-- their own; the next entry posted carries its head in form 3, and with the entry the log and every proof bind it.

CREATE TABLE ledger.refusal (
    number bigint PRIMARY KEY CHECK (number > 0),
    after_seq bigint NOT NULL CHECK (after_seq >= 0),
    at timestamptz NOT NULL,
    kind smallint NOT NULL CHECK (kind IN (1, 2, 3)),
    key uuid NOT NULL,
    code text NOT NULL CHECK (code ~ '^[a-z_]{1,40}$'),
    chained boolean NOT NULL,
    request_hash bytea NOT NULL CHECK (octet_length(request_hash) = 32),
    actor_id integer REFERENCES ledger.actor,
    salt bytea NOT NULL CHECK (octet_length(salt) = 32),
    head bytea NOT NULL CHECK (octet_length(head) = 32)
);
COMMENT ON COLUMN ledger.refusal.after_seq IS 'the entry after which it was judged; 0 before the first';
COMMENT ON COLUMN ledger.refusal.kind IS '1 an entry, 2 a hold to be placed, 3 a hold to be released';
COMMENT ON COLUMN ledger.refusal.key IS 'the entry''s idempotency key, or the hold''s id';
COMMENT ON COLUMN ledger.refusal.chained IS 'a chain of linked requests failed with it';
COMMENT ON COLUMN ledger.refusal.head IS 'head of the chain of refusals with this one at its end';
CREATE INDEX refusal_by_key ON ledger.refusal (key, number);
CREATE INDEX refusal_by_code ON ledger.refusal (code, number);
CREATE INDEX refusal_by_time ON ledger.refusal (at, number);
CREATE INDEX refusal_by_entry ON ledger.refusal (after_seq);

-- What the writer signed, one row for each commit that refused something.
CREATE TABLE ledger.refusal_batch (
    first_number bigint PRIMARY KEY,
    last_number bigint NOT NULL UNIQUE,
    epoch bigint NOT NULL,
    signature bytea NOT NULL CHECK (octet_length(signature) = 64),
    CHECK (last_number >= first_number)
);

CREATE TRIGGER refusal_is_history BEFORE UPDATE OR DELETE OR TRUNCATE ON ledger.refusal
    FOR EACH STATEMENT EXECUTE FUNCTION ledger.refuse_edit();
CREATE TRIGGER refusal_batch_is_history BEFORE UPDATE OR DELETE OR TRUNCATE ON ledger.refusal_batch
    FOR EACH STATEMENT EXECUTE FUNCTION ledger.refuse_edit();

-- Every step is a change of the catalogue: no row is read or rewritten. Rules stand on each part of the journal.
ALTER TABLE ledger.entry_form ADD COLUMN refusals bytea;
ALTER TABLE ledger.entry ADD COLUMN refusals bytea;
ALTER TABLE ledger.entry_form ALTER COLUMN form SET DEFAULT 3;
ALTER TABLE ledger.entry ALTER COLUMN form SET DEFAULT 3;
DO $$
DECLARE
    v_table regclass;
    v_constraint name;
BEGIN
    FOR v_table IN
        SELECT 'ledger.entry_form'::regclass
        UNION ALL
        SELECT inhrelid::regclass FROM pg_inherits WHERE inhparent = 'ledger.entry'::regclass
    LOOP
        SELECT conname INTO STRICT v_constraint
        FROM pg_constraint
        JOIN pg_attribute ON attrelid = conrelid AND attname = 'form'
        WHERE conrelid = v_table AND contype = 'c' AND conkey = ARRAY[attnum];
        EXECUTE format(
            'ALTER TABLE %s
                DROP CONSTRAINT %I,
                ADD CONSTRAINT entry_form_known CHECK (form IN (1, 2, 3)) NOT VALID,
                ADD CONSTRAINT entry_refusals_told CHECK (
                    refusals IS NULL OR octet_length(refusals) = 32 AND form >= 3
                ) NOT VALID', v_table, v_constraint
        );
    END LOOP;
END
$$;
COMMENT ON COLUMN ledger.entry_form.refusals IS
    'head of the chain of refusals, where some were refused since the entry before';
