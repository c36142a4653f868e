-- Keeps a new order, or finds the same one kept already. code: 'created', 'exists', 'exists_with_different_body'.
CREATE OR REPLACE FUNCTION ledger.schedule_create(
    p_id uuid, p_definition jsonb, p_now timestamptz, p_step bigint, p_number bigint, p_due_at timestamptz, p_key uuid
) RETURNS text
LANGUAGE plpgsql SECURITY DEFINER SET search_path = ledger, pg_temp AS $$
DECLARE
    v_known jsonb;
BEGIN
    INSERT INTO ledger.schedule (id, definition, created_at, step, number, due_at, key, wake_at)
    VALUES (p_id, p_definition, p_now, p_step, p_number, p_due_at, p_key, p_due_at)
    ON CONFLICT (id) DO NOTHING;
    IF FOUND THEN
        INSERT INTO ledger.schedule_change (schedule_id, number, actor, what, at)
        VALUES (p_id, 1, p_definition ->> 'actor', 'create', p_now);
        RETURN 'created';
    END IF;
    SELECT definition INTO STRICT v_known FROM ledger.schedule WHERE id = p_id;
    RETURN CASE WHEN v_known = p_definition THEN 'exists' ELSE 'exists_with_different_body' END;
END
$$;
