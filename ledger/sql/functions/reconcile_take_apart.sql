-- Dissolves a match that a run made and a person found wrong. Each of its members becomes an exception of its own, which
-- no run matches again: only a decision does. code: 'decided', 'match_not_found', 'wrong_state' (dissolved already, or
-- made by a decision, which is reopened instead).
CREATE OR REPLACE FUNCTION ledger.reconcile_take_apart(
    p_match bigint, p_actor text, p_reason text, p_now timestamptz
) RETURNS text
LANGUAGE plpgsql SECURITY DEFINER SET search_path = ledger, pg_temp AS $$
DECLARE
    v_match ledger.reconciliation_match;
    v_group jsonb;
BEGIN
    PERFORM pg_advisory_xact_lock(hashtext('ledger.reconciliation'));
    SELECT * INTO v_match FROM ledger.reconciliation_match WHERE id = p_match;
    IF NOT FOUND THEN
        RETURN 'match_not_found';
    ELSIF v_match.dissolved_at IS NOT NULL OR v_match.run_id IS NULL THEN
        RETURN 'wrong_state';
    END IF;
    PERFORM ledger.refuse_archived('a posting of match ' || match_id, seq)
    FROM ledger.match_posting WHERE match_id = p_match AND seq <= ledger.archived_seq();
    UPDATE ledger.reconciliation_match SET dissolved_at = p_now WHERE id = p_match;
    UPDATE ledger.match_record SET live = false WHERE match_id = p_match;
    UPDATE ledger.match_posting SET live = false WHERE match_id = p_match;
    SELECT jsonb_agg(to_jsonb(member) || jsonb_build_object('account_id', v_match.account_id, 'kind', 6)) INTO v_group
    FROM (
        SELECT row_number() OVER (ORDER BY record_id) AS number, ARRAY[record_id] AS record_id,
            '{}'::bigint[] AS posting_seq, '{}'::smallint[] AS posting_number
        FROM ledger.match_record WHERE match_id = p_match
        UNION ALL
        SELECT -row_number() OVER (ORDER BY seq, number), '{}', ARRAY[seq], ARRAY[number]
        FROM ledger.match_posting WHERE match_id = p_match
    ) AS member;
    WITH opened AS (
        INSERT INTO ledger.reconciliation_exception
            (account_id, run_id, kind, record_id, posting_seq, posting_number, difference, fingerprint, opened_at)
        SELECT account_id, v_match.run_id, kind, record_id, posting_seq, posting_number, difference, fingerprint, p_now
        FROM ledger.reconcile_groups(v_group) ORDER BY posting_seq, posting_number, record_id
        RETURNING id
    )
    INSERT INTO ledger.reconciliation_decision (exception_id, decision, actor, decided_at, reason, match_id)
    SELECT id, 5, p_actor, p_now, p_reason, p_match FROM opened;
    RETURN 'decided';
END
$$;
