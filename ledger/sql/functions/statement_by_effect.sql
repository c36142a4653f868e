-- A page of an account's statement in the order of effect, newest first: entries up to p_known_seq whose place
-- (effective_at, seq) is (p_effective_at, p_seq) or before it, and not before p_since. balance_after counts in this order.
-- next_effective_at and next_seq are the place where the next page begins, null at the end. As p_known_seq stays the same
-- over the pages, entries posted meanwhile, whatever time they count for, move nothing.
--
-- Two sources are merged: the account's dated postings through their index, and the others, which stand in the order of
-- effect already, through the chain. Where a long run of the chain is dated, the walk leaps over it.
-- Of an account with archived postings nothing is shown that counts for a time at which archived ones may stand between.
-- Empty for an account that the caller does not see.
CREATE OR REPLACE FUNCTION ledger.statement_by_effect(
    p_account_id bigint, p_known_seq bigint, p_effective_at timestamptz, p_seq bigint, p_entry_count integer,
    p_since timestamptz
)
RETURNS TABLE (
    seq bigint, posting_number integer, amount bigint, balance_after numeric, posted_at timestamptz,
    effective_at timestamptz, settlement_id text, description text, next_effective_at timestamptz, next_seq bigint
)
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = ledger, pg_temp
SET plan_cache_mode = force_generic_plan
SET enable_hashjoin = off SET enable_mergejoin = off SET enable_seqscan = off SET enable_bitmapscan = off
AS $$
#variable_conflict use_column
DECLARE
    c_leap CONSTANT integer := 16;
    v_seq bigint;
    v_balance numeric;
    v_sign integer;
    v_border record := ledger.archive_border();
    v_since timestamptz := p_since;
    v_oldest timestamptz;
    v_seqs bigint[];
    v_times timestamptz[];
    v_count integer := 0;
    v_dated integer := 0;
    v_step record;
    v_run record;
BEGIN
    IF NOT ledger.sees_account(p_account_id) THEN
        RETURN;
    END IF;
    SELECT CASE account.normal_side WHEN 1 THEN 1 ELSE -1 END INTO STRICT v_sign
    FROM ledger.account WHERE account.id = p_account_id;
    IF ledger.has_archived(p_account_id) AND p_since <= v_border.latest_at THEN
        IF p_effective_at <= v_border.latest_at THEN
            PERFORM ledger.refuse_archived('the statement up to ' || p_effective_at);
        END IF;
        v_since := v_border.latest_at + interval '1 microsecond';
    END IF;
    -- Of the postings made at the very moment of the place, those with higher numbers come after it.
    v_seq := least(p_known_seq, greatest(
        ledger.seq_at(p_effective_at - interval '1 microsecond', p_account_id),
        least(p_seq, ledger.seq_at(p_effective_at, p_account_id))
    ));
    v_balance := ledger.balance_at(p_account_id, p_known_seq, v_seq, p_effective_at) - (
        SELECT coalesce(sum(dated.change), 0) FROM ledger.dated_posting AS dated
        WHERE dated.account_id = p_account_id AND dated.effective_at = p_effective_at AND dated.seq > p_seq
            AND dated.seq <= p_known_seq
    );

    SELECT array_agg(dated.seq), array_agg(dated.effective_at),
        CASE WHEN count(*) > p_entry_count THEN min(dated.effective_at) ELSE v_since END
    INTO v_seqs, v_times, v_oldest
    FROM (
        SELECT dated.seq, dated.effective_at FROM ledger.dated_posting AS dated
        WHERE dated.account_id = p_account_id AND (dated.effective_at, dated.seq) <= (p_effective_at, p_seq)
            AND dated.effective_at >= v_since AND dated.seq <= p_known_seq
        ORDER BY dated.effective_at DESC, dated.seq DESC LIMIT p_entry_count + 1
    ) AS dated;

    v_seq := ledger.chain_at(p_account_id, v_seq);
    WHILE v_seq > v_border.seq AND v_count <= p_entry_count LOOP
        SELECT entry.posted_at, coalesce(entry.effective_at, entry.posted_at) AS effective_at, CASE p_account_id
            WHEN entry.debit_account THEN entry.debit_previous
            WHEN entry.credit_account THEN entry.credit_previous
            ELSE entry.posting_previous[array_position(entry.posting_account, p_account_id)]
        END AS previous INTO STRICT v_step FROM ledger.entry WHERE entry.seq = v_seq;
        EXIT WHEN v_step.posted_at < v_oldest;
        IF v_step.effective_at = v_step.posted_at THEN
            v_seqs := v_seqs || v_seq;
            v_times := v_times || v_step.posted_at;
            v_count := v_count + 1;
            v_dated := 0;
        ELSE
            v_dated := v_dated + 1;
            IF v_dated % c_leap = 1 THEN
                SELECT run.first_seq, run.previous_seq INTO v_run FROM ledger.dated_run AS run
                WHERE run.account_id = p_account_id AND run.last_seq >= v_seq
                ORDER BY run.last_seq LIMIT 1;
                IF FOUND AND v_run.first_seq <= v_seq THEN
                    v_step.previous := v_run.previous_seq;
                    v_dated := 0;
                END IF;
            END IF;
        END IF;
        v_seq := v_step.previous;
    END LOOP;

    IF v_since > p_since AND v_seqs IS NULL THEN
        PERFORM ledger.refuse_archived('the statement up to ' || p_effective_at);
    END IF;
    RETURN QUERY
    WITH place AS MATERIALIZED (
        SELECT picked.seq, picked.effective_at,
            row_number() OVER (ORDER BY picked.effective_at DESC, picked.seq DESC) AS number
        FROM unnest(v_seqs, v_times) AS picked (seq, effective_at)
        ORDER BY picked.effective_at DESC, picked.seq DESC LIMIT p_entry_count + 1
    )
    SELECT entry.seq, posting.number, posting.amount,
        v_balance - coalesce(sum(posting.amount * v_sign) OVER newer, 0), entry.posted_at,
        coalesce(entry.effective_at, entry.posted_at), entry.settlement_id, description.description,
        coalesce(beyond.effective_at, CASE WHEN v_since > p_since THEN v_border.latest_at END),
        coalesce(beyond.seq, CASE WHEN v_since > p_since THEN 9223372036854775807 END)
    FROM place
    JOIN ledger.entry ON entry.seq = place.seq
    LEFT JOIN ledger.description ON description.seq = place.seq
    LEFT JOIN place AS beyond ON beyond.number > p_entry_count
    CROSS JOIN LATERAL ledger.postings_on(entry, p_account_id) AS posting
    WHERE place.number <= p_entry_count
    WINDOW newer AS (
        ORDER BY place.number, posting.number DESC ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
    )
    ORDER BY place.number, posting.number DESC;
END
$$;
