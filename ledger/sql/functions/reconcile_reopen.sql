-- Runs with the rights of its caller: only reconcile_decide may call it with effect.
-- Dissolves the matches that decided the exceptions, and returns all exceptions that these matches decided.
CREATE OR REPLACE FUNCTION ledger.reconcile_reopen(p_exceptions bigint[], p_now timestamptz) RETURNS bigint[]
LANGUAGE plpgsql SET search_path = ledger, pg_temp AS $$
DECLARE
    v_match bigint[];
BEGIN
    v_match := ARRAY(
        SELECT DISTINCT decision.match_id
        FROM ledger.reconciliation_decision AS decision
        JOIN ledger.reconciliation_match AS decided ON decided.id = decision.match_id
        WHERE decision.exception_id = ANY (p_exceptions) AND decision.decision IN (2, 3)
            AND decided.dissolved_at IS NULL
    );
    PERFORM ledger.refuse_archived('a posting of match ' || match_id, seq)
    FROM ledger.match_posting WHERE match_id = ANY (v_match) AND seq <= ledger.archived_seq();
    UPDATE ledger.reconciliation_match SET dissolved_at = p_now WHERE id = ANY (v_match);
    UPDATE ledger.match_record SET live = false WHERE match_id = ANY (v_match);
    UPDATE ledger.match_posting SET live = false WHERE match_id = ANY (v_match);
    RETURN ARRAY(
        SELECT given.id FROM unnest(p_exceptions) AS given (id)
        UNION
        SELECT decision.exception_id FROM ledger.reconciliation_decision AS decision
        WHERE decision.match_id = ANY (v_match) AND decision.decision IN (2, 3)
    );
END
$$;
