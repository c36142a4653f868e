-- Stores what a run found, for the accounts it looked at: new matches, exceptions that stand now, and the end of those
-- that do not any more. What changes nothing stores nothing: run is null then. Every match is judged again by the rows
-- it names; one that does not hold stops the whole. p_matches, p_exceptions: arrays of ledger.reconciliation_group.
CREATE OR REPLACE FUNCTION ledger.reconcile_store(
    p_accounts bigint[], p_actor text, p_now timestamptz, p_rules jsonb, p_matches jsonb, p_exceptions jsonb,
    OUT run bigint, OUT matched int, OUT opened int, OUT cleared int
)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = ledger, pg_temp AS $$
DECLARE
    v_match ledger.reconciliation_group[];
    v_exception ledger.reconciliation_group[];
    v_new ledger.reconciliation_group[];
    v_ended bigint[];
BEGIN
    PERFORM pg_advisory_xact_lock(hashtext('ledger.reconciliation'));
    SELECT coalesce(array_agg(given), '{}') INTO v_match FROM ledger.reconcile_groups(p_matches) AS given;
    SELECT coalesce(array_agg(given), '{}') INTO v_exception FROM ledger.reconcile_groups(p_exceptions) AS given;
    IF EXISTS (
        SELECT FROM unnest(v_match || v_exception) AS given
        WHERE given.difference IS NULL OR given.account_id <> ALL (p_accounts)
    ) THEN
        RAISE EXCEPTION 'a match or exception names what its account does not have' USING ERRCODE = 'DW003';
    END IF;
    v_ended := ledger.reconcile_ended(p_accounts, v_match, v_exception);
    v_new := ARRAY(
        SELECT given FROM unnest(v_exception) AS given
        WHERE NOT EXISTS (
            SELECT FROM ledger.reconciliation_exception AS known
            WHERE known.account_id = given.account_id AND known.fingerprint = given.fingerprint
                AND known.state IN (1, 2)
        )
    );
    matched := cardinality(v_match);
    opened := cardinality(v_new);
    cleared := cardinality(v_ended);
    IF matched + opened + cleared = 0 THEN
        RETURN;
    END IF;

    INSERT INTO ledger.reconciliation_run (ran_at, actor, rules, account_count, matched, opened, cleared)
    VALUES (p_now, p_actor, p_rules, cardinality(p_accounts), matched, opened, cleared) RETURNING id INTO run;
    UPDATE ledger.reconciliation_exception SET state = 5, cleared_run_id = run WHERE id = ANY (v_ended);
    INSERT INTO ledger.reconciliation_match
        (account_id, run_id, number, rule, difference, tolerance, matched_at)
    SELECT account_id, run, number, rule, difference, tolerance, p_now FROM unnest(v_match) ORDER BY number;
    INSERT INTO ledger.match_record (match_id, record_id)
    SELECT stored.id, member.record_id
    FROM unnest(v_match) AS given
    JOIN ledger.reconciliation_match AS stored ON stored.run_id = run AND stored.number = given.number
    CROSS JOIN LATERAL unnest(given.record_id) AS member (record_id);
    INSERT INTO ledger.match_posting (match_id, seq, number)
    SELECT stored.id, member.seq, member.number
    FROM unnest(v_match) AS given
    JOIN ledger.reconciliation_match AS stored ON stored.run_id = run AND stored.number = given.number
    CROSS JOIN LATERAL unnest(given.posting_seq, given.posting_number) AS member (seq, number);
    INSERT INTO ledger.reconciliation_exception
        (account_id, run_id, kind, record_id, posting_seq, posting_number, difference, fingerprint, opened_at)
    SELECT account_id, run, kind, record_id, posting_seq, posting_number, difference, fingerprint, p_now
    FROM unnest(v_new) ORDER BY number;
END
$$;
