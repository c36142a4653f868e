-- A page of an account's statement, newest first, from entry p_from_seq downwards (0 for the newest).
-- Follows the chain of postings: each row is found through the primary key, however long the history is.
-- next_seq is where the next page begins; 0 at the end.
CREATE OR REPLACE FUNCTION ledger.statement_page(p_account_id bigint, p_from_seq bigint, p_entry_count integer)
RETURNS TABLE (
    seq bigint, posting_number integer, amount bigint, balance_after bigint, posted_at timestamptz,
    effective_at timestamptz, settlement_id text, description text, next_seq bigint
)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = ledger, pg_temp
SET enable_hashjoin = off SET enable_mergejoin = off SET enable_seqscan = off
AS $$
    WITH RECURSIVE chain (number, seq, previous) AS (
        SELECT 1, entry.seq, entry.posting_previous[array_position(entry.posting_account, p_account_id)]
        FROM ledger.entry
        WHERE entry.seq = CASE
                WHEN p_from_seq > 0 THEN p_from_seq
                ELSE (SELECT account.last_seq FROM ledger.account WHERE account.id = p_account_id)
            END
            AND array_position(entry.posting_account, p_account_id) IS NOT NULL
        UNION ALL
        SELECT chain.number + 1, entry.seq,
            entry.posting_previous[array_position(entry.posting_account, p_account_id)]
        FROM chain
        JOIN ledger.entry ON entry.seq = chain.previous
        WHERE chain.number < p_entry_count
    )
    SELECT entry.seq, posting.number::integer, posting.amount, posting.balance, entry.posted_at, entry.effective_at,
        entry.settlement_id, description.description,
        (SELECT last.previous FROM chain AS last ORDER BY last.number DESC LIMIT 1)
    FROM chain
    JOIN ledger.entry ON entry.seq = chain.seq
    LEFT JOIN ledger.description ON description.seq = chain.seq
    CROSS JOIN LATERAL unnest(entry.posting_account, entry.posting_amount, entry.posting_balance)
        WITH ORDINALITY AS posting (account_id, amount, balance, number)
    WHERE posting.account_id = p_account_id
    ORDER BY chain.number, posting.number DESC
$$;
