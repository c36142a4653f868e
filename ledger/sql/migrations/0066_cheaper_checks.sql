-- Why: PostgreSQL reads a table's CHECK constraints anew from their text for every statement that writes rows. For one
-- transfer at a time that was a quarter of the server's work, part of it for lists of postings, which most rows have not.
-- The constraint says the same as before, but what it says of lists stands in a function that other rows never call.

-- Whether an entry's list of postings is one: columns of one length and without nulls, no amount 0, balanced. Null for false.
CREATE FUNCTION ledger.postings_stand(
    p_account bigint[], p_asset smallint[], p_amount bigint[], p_balance bigint[], p_previous bigint[]
) RETURNS boolean
LANGUAGE plpgsql IMMUTABLE SET search_path = ledger, pg_temp AS $$
BEGIN
    RETURN cardinality(p_account) = cardinality(p_amount)
        AND cardinality(p_asset) = cardinality(p_amount)
        AND cardinality(p_balance) = cardinality(p_amount)
        AND cardinality(p_previous) = cardinality(p_amount)
        AND array_position(p_account, NULL) IS NULL
        AND array_position(p_asset, NULL) IS NULL
        AND array_position(p_amount, NULL) IS NULL
        AND array_position(p_balance, NULL) IS NULL
        AND array_position(p_previous, NULL) IS NULL
        AND 0 <> ALL (p_amount) AND ledger.entry_balances(p_asset, p_amount);
END
$$;

-- Rows that stand satisfied the same conditions when they were written: none is read again.
DO $$
DECLARE
    v_table regclass;
BEGIN
    FOR v_table IN
        SELECT 'ledger.entry_form'::regclass
        UNION ALL
        SELECT inhrelid::regclass FROM pg_inherits WHERE inhparent = 'ledger.entry'::regclass
    LOOP
        EXECUTE format(
            'ALTER TABLE %s
                DROP CONSTRAINT entry_balanced,
                ADD CONSTRAINT entry_balanced CHECK (
                    CASE
                        WHEN posting_amount IS NULL THEN
                            amount > 0 AND debit_account <> credit_account AND asset_id IS NOT NULL
                            AND num_nulls(debit_balance, credit_balance, debit_previous, credit_previous) = 0
                            AND num_nonnulls(posting_account, posting_asset, posting_balance, posting_previous) = 0
                        ELSE
                            num_nonnulls(
                                debit_account, credit_account, amount, asset_id, debit_balance, credit_balance,
                                debit_previous, credit_previous
                            ) = 0
                            AND ledger.postings_stand(
                                posting_account, posting_asset, posting_amount, posting_balance, posting_previous
                            )
                    END IS TRUE
                ) NOT VALID', v_table
        );
    END LOOP;
END
$$;
