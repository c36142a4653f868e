-- Debit and credit balances of each asset in use, from entries up to p_known_seq and for p_effective_at or before; over the
-- accounts of some books, or with null over all.
CREATE OR REPLACE FUNCTION ledger.trial_balance_at(
    p_known_seq bigint, p_effective_at timestamptz, p_books smallint[]
)
RETURNS TABLE (asset text, debit numeric, credit numeric, account_count bigint)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = ledger, pg_temp AS $$
    WITH place AS MATERIALIZED (
        SELECT ledger.seq_at(p_effective_at) AS effective_seq
    ), standing AS MATERIALIZED (
        SELECT account.asset_id,
            ledger.balance_at(account.id, p_known_seq, place.effective_seq, p_effective_at)
                * CASE account.normal_side WHEN 1 THEN 1 ELSE -1 END AS debit_balance
        FROM ledger.whole_account AS account
        CROSS JOIN place
        WHERE p_books IS NULL OR account.book_id = ANY (p_books)
    )
    SELECT asset.code, coalesce(sum(debit_balance) FILTER (WHERE debit_balance > 0), 0),
        coalesce(-sum(debit_balance) FILTER (WHERE debit_balance < 0), 0), count(*)
    FROM standing
    JOIN ledger.asset ON asset.id = standing.asset_id
    GROUP BY asset.code
    ORDER BY asset.code
$$;

-- The same over the accounts that the caller sees, from what was posted by p_known_at.
CREATE OR REPLACE FUNCTION ledger.trial_balance_seen(p_known_at timestamptz, p_effective_at timestamptz)
RETURNS TABLE (asset text, debit numeric, credit numeric, account_count bigint)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = ledger, pg_temp AS $$
    SELECT * FROM ledger.trial_balance_at(
        ledger.seq_at(p_known_at), p_effective_at, CASE WHEN NOT ledger.sees_all() THEN ledger.tenant_books() END
    )
$$;
