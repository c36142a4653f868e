-- A closed period's figures as the entries give them: for each asset the trial balance at its end and the turnover within
-- it. They are those known when it was closed, so they never change, not even when it is opened again.
CREATE OR REPLACE FUNCTION ledger.period_figures(p_number integer, OUT entry_count bigint, OUT lines jsonb)
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = ledger, pg_temp AS $$
DECLARE
    v_period ledger.period;
    v_end timestamptz;
    v_from bigint;
    v_to bigint;
BEGIN
    SELECT * INTO STRICT v_period FROM ledger.period WHERE period.number = p_number;
    -- The last moment that counts for the period.
    v_end := v_period.closed_before - interval '1 microsecond';
    v_from := ledger.seq_at(v_period.opened_at - interval '1 microsecond') + 1;
    v_to := least(ledger.seq_at(v_end), v_period.last_seq);
    WITH posting AS MATERIALIZED (
        -- Entries that count for the time of their posting stand together; the others are told by their table.
        SELECT number, asset_id, amount
        FROM ledger.signed_posting
        WHERE seq BETWEEN v_from AND v_to AND effective_at = posted_at
        UNION ALL
        SELECT number, asset_id, amount
        FROM (
            SELECT DISTINCT seq FROM ledger.dated_posting
            WHERE effective_at >= v_period.opened_at AND effective_at <= v_end AND seq <= v_period.last_seq
        ) AS dated
        JOIN ledger.signed_posting USING (seq)
    ), turnover AS (
        SELECT asset_id, coalesce(sum(amount) FILTER (WHERE amount > 0), 0) AS debit,
            coalesce(-sum(amount) FILTER (WHERE amount < 0), 0) AS credit
        FROM posting
        GROUP BY asset_id
    ), line AS (
        SELECT balance.asset, balance.debit, balance.credit, coalesce(turnover.debit, 0) AS debit_turnover,
            coalesce(turnover.credit, 0) AS credit_turnover
        FROM ledger.trial_balance_at(v_period.last_seq, v_end, NULL) AS balance
        JOIN ledger.asset ON asset.code = balance.asset
        LEFT JOIN turnover ON turnover.asset_id = asset.id
        WHERE balance.debit <> 0 OR balance.credit <> 0 OR turnover.asset_id IS NOT NULL
    )
    SELECT (SELECT count(*) FROM posting WHERE posting.number = 1), coalesce(jsonb_agg(jsonb_build_object(
            'asset', asset, 'debit', debit::text, 'credit', credit::text, 'debit_turnover', debit_turnover::text,
            'credit_turnover', credit_turnover::text
        ) ORDER BY asset COLLATE "C"), '[]'::jsonb)
    INTO entry_count, lines
    FROM line;
END
$$;
