-- Pauses, resumes or cancels a schedule ('pause', 'resume', 'cancel'); a tenant those that he ordered himself. code:
-- 'changed', 'unchanged', 'schedule_not_found', 'schedule_of_another', 'schedule_ended'. Cancelling, also once more,
-- records an occurrence that was posted by a node that died before it could record it.
CREATE OR REPLACE FUNCTION ledger.schedule_change(
    p_id uuid, p_what text, p_actor text, p_now timestamptz, p_tenant_id smallint
) RETURNS text
LANGUAGE plpgsql SECURITY DEFINER SET search_path = ledger, pg_temp AS $$
DECLARE
    v_schedule ledger.schedule;
    v_status smallint := CASE p_what WHEN 'resume' THEN 1 WHEN 'pause' THEN 2 WHEN 'cancel' THEN 4 END;
BEGIN
    SELECT * INTO v_schedule FROM ledger.schedule WHERE id = p_id FOR UPDATE;
    IF NOT FOUND THEN
        RETURN 'schedule_not_found';
    ELSIF p_tenant_id IS NOT NULL AND v_schedule.tenant_id IS DISTINCT FROM p_tenant_id THEN
        RETURN 'schedule_of_another';
    END IF;
    IF p_what = 'cancel' THEN
        INSERT INTO ledger.schedule_run (schedule_id, due_at, attempt, number, key, code, seq, at)
        SELECT p_id, v_schedule.due_at, v_schedule.attempts + 1, v_schedule.number, v_schedule.key, 'exists', posted.seq,
            p_now
        FROM (
            SELECT seq FROM ledger.entry
            WHERE key = v_schedule.key AND coalesce(effective_at, posted_at) = v_schedule.due_at
            UNION ALL
            SELECT seq FROM ledger.past_key WHERE key = v_schedule.key
        ) AS posted
        ON CONFLICT DO NOTHING;
    END IF;
    IF v_schedule.status = v_status THEN
        RETURN 'unchanged';
    END IF;
    IF v_schedule.status IN (3, 4) THEN
        RETURN 'schedule_ended';
    END IF;
    UPDATE ledger.schedule
    -- A resumed one is tried again at once, but never before it is due.
    SET status = v_status,
        wake_at = CASE p_what WHEN 'resume' THEN least(wake_at, greatest(due_at, p_now)) ELSE wake_at END
    WHERE id = p_id;
    INSERT INTO ledger.schedule_change (schedule_id, number, actor, what, at)
    SELECT p_id, max(number) + 1, p_actor, p_what, p_now FROM ledger.schedule_change WHERE schedule_id = p_id;
    RETURN 'changed';
END
$$;
