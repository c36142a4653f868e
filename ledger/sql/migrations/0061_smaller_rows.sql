-- Why: 41 bytes of a plain entry were chance and repetition (docs/adr/0027-smaller-rows.md). New entries keep no salt of
-- their own: it follows from a secret of their batch. A time of effect is kept where it is another than that of posting.
--
-- Every step is a change of the catalogue: no row is read or rewritten, those that stand keep what they have.

ALTER TABLE ledger.batch ADD COLUMN salt_secret bytea CHECK (octet_length(salt_secret) = 32);
COMMENT ON COLUMN ledger.batch.salt_secret IS
    'the salts of its entries follow from it (ledger.salt_of); null where each entry keeps its own';

DO $$
DECLARE
    v_table regclass;
BEGIN
    -- What every partition looks like, and those that stand. The journal itself says nothing of what may be missing.
    FOR v_table IN
        SELECT 'ledger.entry_form'::regclass
        UNION ALL
        SELECT inhrelid::regclass FROM pg_inherits WHERE inhparent = 'ledger.entry'::regclass
    LOOP
        EXECUTE format(
            'ALTER TABLE %s ALTER COLUMN salt DROP NOT NULL, ALTER COLUMN effective_at DROP NOT NULL', v_table
        );
    END LOOP;
END
$$;
COMMENT ON COLUMN ledger.entry_form.salt IS 'of the leaf; null where it follows from the batch (ledger.salt_of)';
COMMENT ON COLUMN ledger.entry_form.effective_at IS 'what the entry counts for; null for the moment of its posting';

-- Its successor is told the secret.
DROP FUNCTION IF EXISTS ledger.settle_batch;
