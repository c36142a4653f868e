-- A page of a striped account's statement, as ledger.statement_page gives one of any other: what its stripes' chains hold
-- from entry p_from_seq downwards, merged; the balance after each posting is the sum over all stripes. Of stripes that have
-- archived postings only, the balance counts.
CREATE OR REPLACE FUNCTION ledger.striped_page(
    p_account_id bigint, p_from_seq bigint, p_entry_count integer, p_since timestamptz, p_until timestamptz
)
RETURNS TABLE (
    seq bigint, posting_number integer, amount bigint, balance_after numeric, posted_at timestamptz,
    effective_at timestamptz, settlement_id text, description text, next_seq bigint
)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = ledger, pg_temp
SET plan_cache_mode = force_generic_plan
SET enable_hashjoin = off SET enable_mergejoin = off SET enable_seqscan = off
AS $$
    WITH bound AS MATERIALIZED (
        SELECT CASE
            WHEN p_from_seq > 0 THEN p_from_seq
            WHEN p_until = 'infinity' THEN 9223372036854775807
            ELSE ledger.seq_at(p_until, p_account_id)
        END AS seq
    ), stripe AS MATERIALIZED (
        SELECT account.id, CASE account.normal_side WHEN 1 THEN 1 ELSE -1 END AS sign,
            ledger.chain_at(account.id, bound.seq) AS seq
        FROM ledger.account
        CROSS JOIN bound
        WHERE account.stripe_of = p_account_id
    ), border AS MATERIALIZED (
        SELECT border.seq, border.posted_until FROM ledger.archive_border() AS border
    ), line AS MATERIALIZED (
        SELECT page.*, stripe.sign, dense_rank() OVER (ORDER BY page.seq DESC) AS place
        FROM stripe
        -- One more than asked for: it tells whether there is a next page.
        CROSS JOIN LATERAL ledger.statement_page(stripe.id, stripe.seq, p_entry_count + 1, p_since, 'infinity') AS page
        -- Where all that is wanted is archived, this tells it.
        WHERE ledger.live_seq(p_account_id, (SELECT max(newest.seq) FROM stripe AS newest), p_since) > 0
            AND stripe.seq > (SELECT border.seq FROM border)
    ), standing AS MATERIALIZED (
        SELECT sum(coalesce(newest.balance, opening.balance)) AS balance
        FROM stripe
        LEFT JOIN LATERAL (
            SELECT posting.balance FROM ledger.entry CROSS JOIN LATERAL ledger.postings_on(entry, stripe.id) AS posting
            WHERE entry.seq = stripe.seq
            ORDER BY posting.number DESC LIMIT 1
        ) AS newest ON true
        LEFT JOIN ledger.account_opening AS opening ON opening.account_id = stripe.id
    )
    SELECT line.seq, line.posting_number, line.amount,
        standing.balance - coalesce(sum(line.amount * line.sign) OVER (
            ORDER BY line.seq DESC, line.posting_number DESC ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
        ), 0),
        line.posted_at, line.effective_at, line.settlement_id, line.description,
        coalesce(
            (SELECT max(beyond.seq) FROM line AS beyond WHERE beyond.place > p_entry_count),
            (SELECT border.seq FROM border WHERE border.posted_until >= p_since AND ledger.has_archived(p_account_id)),
            0
        )
    FROM line
    CROSS JOIN standing
    WHERE line.place <= p_entry_count
    ORDER BY line.seq DESC, line.posting_number DESC
$$;
