-- Writes down what a person decided about exceptions of one account, and does it. 'explained': they stay unmatched,
-- with a reason. 'matched_by_hand': their records are their postings, to the unit. 'written_off': a correcting entry
-- posts the difference to the account. 'reopened': takes any of these back, a match for all its exceptions at once.
-- code: 'decided', 'exception_not_found', 'wrong_state', 'accounts_differ', 'sums_differ', 'entry_not_found',
-- 'posting_matched' (the entry's posting is in a match already), 'posting_waits' (it is in an exception that was not
-- given), in this precedence.
CREATE OR REPLACE FUNCTION ledger.reconcile_decide(
    p_exceptions bigint[], p_decision text, p_actor text, p_reason text, p_entry_seq bigint, p_now timestamptz,
    OUT code text, OUT difference bigint
)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = ledger, pg_temp AS $$
DECLARE
    v_account bigint;
    v_count bigint;
    v_accounts bigint;
    v_wrong bigint;
    v_decision smallint := array_position(ARRAY['explained', 'matched_by_hand', 'written_off', 'reopened'], p_decision);
    v_match bigint;
BEGIN
    PERFORM pg_advisory_xact_lock(hashtext('ledger.reconciliation'));
    SELECT count(*), count(DISTINCT known.account_id), min(known.account_id),
        count(*) FILTER (WHERE NOT CASE v_decision
            WHEN 1 THEN known.state = 1
            WHEN 4 THEN known.state IN (2, 3, 4)
            ELSE known.state IN (1, 2)
        END)
    INTO v_count, v_accounts, v_account, v_wrong
    FROM ledger.reconciliation_exception AS known WHERE known.id = ANY (p_exceptions);
    code := CASE
        WHEN v_decision IS NULL OR v_count = 0 OR v_count <> cardinality(p_exceptions) THEN 'exception_not_found'
        WHEN v_wrong > 0 THEN 'wrong_state'
        WHEN v_accounts > 1 THEN 'accounts_differ'
        ELSE 'decided'
    END;
    IF code <> 'decided' THEN
        RETURN;
    END IF;
    IF v_decision = 4 THEN
        p_exceptions := ledger.reconcile_reopen(p_exceptions, p_now);
    ELSIF v_decision IN (2, 3) THEN
        SELECT bound.code, bound.difference, bound.match_id INTO code, difference, v_match
        FROM ledger.reconcile_bind(v_account, p_exceptions, p_decision, p_entry_seq, p_now) AS bound;
        IF code <> 'decided' THEN
            RETURN;
        END IF;
    END IF;
    UPDATE ledger.reconciliation_exception SET state = CASE v_decision WHEN 4 THEN 1 ELSE v_decision + 1 END
    WHERE id = ANY (p_exceptions);
    INSERT INTO ledger.reconciliation_decision
        (exception_id, decision, actor, decided_at, reason, entry_seq, match_id)
    SELECT decided.id, v_decision, p_actor, p_now, p_reason, CASE v_decision WHEN 3 THEN p_entry_seq END, v_match
    FROM unnest(p_exceptions) AS decided (id);
END
$$;
