-- Closes the books for times before p_closed_before: from here on entries that count for them are refused.
--
-- In line with the postings before and after; the clock of the books moves to the moment of closing, so that no later
-- entry can count for the closed time by the time of its posting.
-- code: 'closed', 'not_over_yet' (the time has not passed), 'not_after_last' (closed that far already).
CREATE OR REPLACE FUNCTION ledger.close_period(
    p_epoch bigint, p_closed_before timestamptz, p_actor text, p_now timestamptz, OUT code text, OUT number integer
)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = ledger, pg_temp AS $$
DECLARE
    v_head ledger.head := ledger.lock_head(p_epoch);
    v_now timestamptz := greatest(p_now, v_head.posted_at);
BEGIN
    IF p_closed_before > v_now THEN
        code := 'not_over_yet';
        RETURN;
    END IF;
    IF p_closed_before <= v_head.closed_before THEN
        code := 'not_after_last';
        RETURN;
    END IF;
    SELECT coalesce(max(period.number), 0) + 1 INTO number FROM ledger.period;
    INSERT INTO ledger.period (number, opened_at, closed_before, closed_at, last_seq, actor)
    VALUES (number, v_head.closed_before, p_closed_before, v_now, v_head.next_seq - 1, p_actor);
    UPDATE ledger.head SET closed_before = p_closed_before, posted_at = v_now WHERE id = 1;
    PERFORM ledger.add_event('period.closed', NULL, v_now, jsonb_strip_nulls(jsonb_build_object(
        'period', number,
        'opened_at', to_char(v_head.closed_before AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'),
        'closed_before', to_char(p_closed_before AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')
    )));
    code := 'closed';
END
$$;
