-- Opens the period closed last again, with who and why on record; what was reported of it stays.
-- code: 'reopened', 'period_not_found', 'not_the_last'. One with archived entries stays closed.
CREATE OR REPLACE FUNCTION ledger.reopen_period(
    p_epoch bigint, p_number integer, p_actor text, p_reason text, p_now timestamptz
) RETURNS text
LANGUAGE plpgsql SECURITY DEFINER SET search_path = ledger, pg_temp AS $$
DECLARE
    v_head ledger.head := ledger.lock_head(p_epoch);
    v_now timestamptz := greatest(p_now, v_head.posted_at);
    v_period ledger.period;
BEGIN
    SELECT * INTO v_period FROM ledger.period WHERE number = p_number;
    IF NOT FOUND THEN
        RETURN 'period_not_found';
    END IF;
    IF p_number <> (
        SELECT max(number) FROM ledger.period
        WHERE NOT EXISTS (SELECT FROM ledger.period_reopening AS opened WHERE opened.number = period.number)
    ) IS NOT FALSE THEN
        RETURN 'not_the_last';
    END IF;
    IF v_period.opened_at <= (ledger.archive_border()).latest_at THEN
        PERFORM ledger.refuse_archived('a part of period ' || p_number);
    END IF;
    INSERT INTO ledger.period_reopening (number, reopened_at, actor, reason)
    VALUES (p_number, v_now, p_actor, p_reason);
    UPDATE ledger.head SET closed_before = v_period.opened_at WHERE id = 1;
    PERFORM ledger.add_event('period.reopened', NULL, v_now, jsonb_strip_nulls(jsonb_build_object(
        'period', p_number,
        'closed_before', to_char(v_period.opened_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')
    )));
    RETURN 'reopened';
END
$$;
