-- Records what became of an occurrence and moves its schedule on, both or neither. A caller that was overtaken (its epoch
-- was replaced, the occurrence is settled, its number of tries has changed) records nothing. An occurrence is on record
-- as posted only if its entry stands, and never as skipped if it does. Returns 'recorded' or 'stale'.
CREATE OR REPLACE FUNCTION ledger.schedule_record(
    p_epoch bigint, p_id uuid, p_due_at timestamptz, p_attempt integer, p_code text, p_at timestamptz,
    p_status smallint, p_step bigint, p_number bigint, p_next_due_at timestamptz, p_key uuid, p_attempts integer,
    p_wake_at timestamptz
) RETURNS text
LANGUAGE plpgsql SECURITY DEFINER SET search_path = ledger, pg_temp AS $$
DECLARE
    v_schedule ledger.schedule;
    v_seq bigint;
    v_code text := p_code;
BEGIN
    IF (SELECT epoch FROM ledger.head) <> p_epoch THEN
        RAISE EXCEPTION 'epoch % was replaced', p_epoch USING ERRCODE = 'DW001';
    END IF;
    SELECT * INTO v_schedule FROM ledger.schedule WHERE id = p_id FOR UPDATE;
    IF NOT FOUND OR v_schedule.due_at IS DISTINCT FROM p_due_at OR v_schedule.attempts <> p_attempt - 1
        OR EXISTS (SELECT FROM ledger.schedule_run
            WHERE schedule_id = p_id AND due_at = p_due_at AND (seq IS NOT NULL OR attempt >= p_attempt)) THEN
        RETURN 'stale';
    END IF;
    IF p_code IN ('posted', 'exists', 'skipped', 'invalid') THEN
        SELECT seq INTO v_seq FROM ledger.entry
        WHERE key = v_schedule.key AND coalesce(effective_at, posted_at) = p_due_at;
        IF v_seq IS NULL AND p_code = 'exists' THEN
            SELECT seq INTO v_seq FROM ledger.past_key WHERE key = v_schedule.key;
        END IF;
        IF v_seq IS NOT NULL AND p_code IN ('skipped', 'invalid') THEN
            v_code := 'exists';
        ELSIF v_seq IS NULL AND p_code IN ('posted', 'exists') THEN
            RAISE EXCEPTION 'schedule %: no entry stands under the key of its occurrence', p_id USING ERRCODE = 'DW003';
        END IF;
    END IF;
    INSERT INTO ledger.schedule_run (schedule_id, due_at, attempt, number, key, code, seq, at)
    VALUES (p_id, p_due_at, p_attempt, v_schedule.number, v_schedule.key, v_code, v_seq, p_at);
    IF v_schedule.status = 4 THEN
        RETURN 'recorded';
    END IF;
    UPDATE ledger.schedule
    SET status = CASE WHEN v_schedule.status = 2 AND p_status = 1 THEN 2 ELSE p_status END,
        step = p_step, number = p_number, due_at = p_next_due_at, key = p_key, attempts = p_attempts, wake_at = p_wake_at
    WHERE id = p_id;
    RETURN 'recorded';
END
$$;
