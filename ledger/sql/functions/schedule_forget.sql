-- Erases the free text of a schedule that has ended. code: 'changed', 'unchanged', 'schedule_not_found',
-- 'schedule_of_another', 'schedule_not_ended'. Texts of entries it posted are erased with those entries.
CREATE OR REPLACE FUNCTION ledger.schedule_forget(
    p_id uuid, p_actor text, p_now timestamptz, p_tenant_id smallint
) RETURNS text
LANGUAGE plpgsql SECURITY DEFINER SET search_path = ledger, pg_temp AS $$
DECLARE
    v_schedule ledger.schedule;
BEGIN
    SELECT * INTO v_schedule FROM ledger.schedule WHERE id = p_id FOR UPDATE;
    IF NOT FOUND THEN
        RETURN 'schedule_not_found';
    ELSIF p_tenant_id IS NOT NULL AND v_schedule.tenant_id IS DISTINCT FROM p_tenant_id THEN
        RETURN 'schedule_of_another';
    END IF;
    IF v_schedule.status IN (1, 2) THEN
        RETURN 'schedule_not_ended';
    END IF;
    IF NOT v_schedule.definition ? 'description' THEN
        RETURN 'unchanged';
    END IF;
    UPDATE ledger.schedule SET definition = definition - 'description' WHERE id = p_id;
    INSERT INTO ledger.schedule_change (schedule_id, number, actor, what, at)
    SELECT p_id, max(number) + 1, p_actor, 'forget', p_now FROM ledger.schedule_change WHERE schedule_id = p_id;
    RETURN 'changed';
END
$$;
