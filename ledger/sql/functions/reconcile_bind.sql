-- Runs with the rights of its caller: only reconcile_decide may call it with effect.
-- Makes one match of all members of the exceptions, and of a correcting entry's postings to the account where one is
-- given, one that an exception names already being that. Records and postings must agree to the unit; difference says by how
-- much they do not. A posting of the entry that waits in another exception would stand in both.
CREATE OR REPLACE FUNCTION ledger.reconcile_bind(
    p_account bigint, p_exceptions bigint[], p_rule text, p_entry_seq bigint, p_now timestamptz,
    OUT code text, OUT difference bigint, OUT match_id bigint
)
LANGUAGE plpgsql SET search_path = ledger, pg_temp AS $$
DECLARE
    v_given bigint[];
    v_correction bigint := 0;
    v_sum numeric;
BEGIN
    SELECT sum(known.difference) INTO v_sum
    FROM ledger.reconciliation_exception AS known WHERE known.id = ANY (p_exceptions);
    IF p_rule = 'written_off' THEN
        IF p_entry_seq <= ledger.archived_seq() THEN
            PERFORM ledger.refuse_archived('entry ' || p_entry_seq, p_entry_seq);
        END IF;
        v_given := ARRAY(
            SELECT member.number
            FROM ledger.reconciliation_exception AS known
            CROSS JOIN LATERAL unnest(known.posting_seq, known.posting_number) AS member (seq, number)
            WHERE known.id = ANY (p_exceptions) AND member.seq = p_entry_seq
        );
        SELECT CASE WHEN count(*) > 0 THEN coalesce(sum(
            posting.amount * CASE account.normal_side WHEN 1 THEN 1 ELSE -1 END
        ) FILTER (WHERE posting.number <> ALL (v_given)), 0) END
        INTO v_correction
        FROM ledger.signed_posting AS posting
        JOIN ledger.account ON account.id = posting.account_id
        WHERE posting.seq = p_entry_seq AND posting.account_id = p_account;
    END IF;
    v_sum := v_sum - v_correction;
    -- Strangers' movements may come to more than the answer can say.
    difference := CASE WHEN abs(v_sum) < 2::numeric ^ 63 THEN v_sum ELSE sign(v_sum) * 9223372036854775807 END;
    code := CASE
        WHEN difference IS NULL THEN 'entry_not_found'
        WHEN difference <> 0 THEN 'sums_differ'
        WHEN EXISTS (
            SELECT FROM ledger.match_posting AS taken
            JOIN ledger.signed_posting AS posting ON posting.seq = taken.seq AND posting.number = taken.number
            WHERE taken.seq = p_entry_seq AND taken.live AND posting.account_id = p_account
        ) THEN 'posting_matched'
        WHEN EXISTS (
            SELECT FROM ledger.reconciliation_exception AS other
            WHERE other.account_id = p_account AND other.state IN (1, 2) AND other.id <> ALL (p_exceptions)
                AND p_entry_seq = ANY (other.posting_seq)
        ) THEN 'posting_waits'
        ELSE 'decided'
    END;
    IF code <> 'decided' THEN
        RETURN;
    END IF;
    INSERT INTO ledger.reconciliation_match (account_id, rule, difference, tolerance, matched_at)
    VALUES (p_account, p_rule, 0, 0, p_now) RETURNING id INTO match_id;
    INSERT INTO ledger.match_record (match_id, record_id)
    SELECT reconcile_bind.match_id, member.id
    FROM ledger.reconciliation_exception AS known
    CROSS JOIN LATERAL unnest(known.record_id) AS member (id)
    WHERE known.id = ANY (p_exceptions);
    INSERT INTO ledger.match_posting (match_id, seq, number)
    SELECT reconcile_bind.match_id, member.seq, member.number
    FROM ledger.reconciliation_exception AS known
    CROSS JOIN LATERAL unnest(known.posting_seq, known.posting_number) AS member (seq, number)
    WHERE known.id = ANY (p_exceptions)
    UNION
    SELECT reconcile_bind.match_id, posting.seq, posting.number
    FROM ledger.signed_posting AS posting
    WHERE p_rule = 'written_off' AND posting.seq = p_entry_seq AND posting.account_id = p_account;
END
$$;
