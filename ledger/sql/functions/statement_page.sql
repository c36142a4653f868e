-- A page of an account's statement in the order of posting, newest first, from entry p_from_seq downwards (0 for the
-- newest posted at p_until or before) to the first posted before p_since.
-- Follows the chain of postings: each row is found through the primary key, however long the history is.
-- next_seq is where the next page begins; 0 at the end. It is an entry's number: postings made meanwhile move nothing. Where
-- the next page is archived, asking for it says so.
-- Empty for an account that the caller does not see.
CREATE OR REPLACE FUNCTION ledger.statement_page(
    p_account_id bigint, p_from_seq bigint, p_entry_count integer, p_since timestamptz, p_until timestamptz
)
RETURNS TABLE (
    seq bigint, posting_number integer, amount bigint, balance_after bigint, posted_at timestamptz,
    effective_at timestamptz, settlement_id text, description text, next_seq bigint
)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = ledger, pg_temp
SET plan_cache_mode = force_generic_plan
SET enable_hashjoin = off SET enable_mergejoin = off SET enable_seqscan = off
AS $$
    WITH RECURSIVE chain (number, seq, previous) AS (
        SELECT 1, entry.seq, step.previous
        FROM ledger.entry
        CROSS JOIN LATERAL (
            SELECT CASE p_account_id
                WHEN entry.debit_account THEN entry.debit_previous
                WHEN entry.credit_account THEN entry.credit_previous
                ELSE entry.posting_previous[array_position(entry.posting_account, p_account_id)]
            END AS previous
        ) AS step
        -- In a query of its own it is worked out once, not again for each index and each plan.
        WHERE entry.seq = (
                SELECT ledger.live_seq(p_account_id, CASE
                    WHEN p_from_seq > 0 THEN p_from_seq
                    WHEN p_until = 'infinity' THEN
                        (SELECT account.last_seq FROM ledger.account WHERE account.id = p_account_id)
                    ELSE ledger.chain_at(p_account_id, ledger.seq_at(p_until, p_account_id))
                END, p_since)
            )
            AND entry.posted_at >= p_since AND step.previous IS NOT NULL AND ledger.sees_account(p_account_id)
        UNION ALL
        SELECT chain.number + 1, entry.seq, CASE p_account_id
                WHEN entry.debit_account THEN entry.debit_previous
                WHEN entry.credit_account THEN entry.credit_previous
                ELSE entry.posting_previous[array_position(entry.posting_account, p_account_id)]
            END
        FROM chain
        JOIN ledger.entry ON entry.seq = chain.previous AND entry.posted_at >= p_since
        -- One more than asked for: it tells whether there is a next page.
        WHERE chain.number <= p_entry_count
    )
    SELECT entry.seq, posting.number, posting.amount, posting.balance, entry.posted_at,
        coalesce(entry.effective_at, entry.posted_at), entry.settlement_id, description.description,
        coalesce(
            (SELECT beyond.seq FROM chain AS beyond WHERE beyond.number > p_entry_count),
            (
                SELECT oldest.previous FROM chain AS oldest
                WHERE oldest.previous BETWEEN 1 AND border.seq AND border.posted_until >= p_since
            ),
            0
        )
    FROM chain
    CROSS JOIN ledger.archive_border() AS border
    JOIN ledger.entry ON entry.seq = chain.seq
    LEFT JOIN ledger.description ON description.seq = chain.seq
    CROSS JOIN LATERAL ledger.postings_on(entry, p_account_id) AS posting
    WHERE chain.number <= p_entry_count
    ORDER BY chain.number, posting.number DESC
$$;
