-- Keeps a new order, or finds the same one kept already. p_tenant_id: whose order it is, null for the organization's own;
-- a tenant orders within his books only. code: 'created', 'exists', 'exists_with_different_body', 'account_not_found'.
CREATE OR REPLACE FUNCTION ledger.schedule_create(
    p_id uuid, p_definition jsonb, p_now timestamptz, p_step bigint, p_number bigint, p_due_at timestamptz, p_key uuid,
    p_tenant_id smallint
) RETURNS text
LANGUAGE plpgsql SECURITY DEFINER SET search_path = ledger, pg_temp AS $$
DECLARE
    v_known ledger.schedule;
BEGIN
    IF p_tenant_id IS NOT NULL AND ledger.schedule_is_within(
        p_definition, ARRAY(SELECT book_id FROM ledger.tenant_book WHERE tenant_id = p_tenant_id)
    ) IS NOT TRUE THEN
        RETURN 'account_not_found';
    END IF;
    INSERT INTO ledger.schedule (id, definition, created_at, step, number, due_at, key, wake_at, tenant_id)
    VALUES (p_id, p_definition, p_now, p_step, p_number, p_due_at, p_key, p_due_at, p_tenant_id)
    ON CONFLICT (id) DO NOTHING;
    IF FOUND THEN
        INSERT INTO ledger.schedule_change (schedule_id, number, actor, what, at)
        VALUES (p_id, 1, p_definition ->> 'actor', 'create', p_now);
        RETURN 'created';
    END IF;
    SELECT * INTO STRICT v_known FROM ledger.schedule WHERE id = p_id;
    RETURN CASE
        WHEN v_known.definition = p_definition AND v_known.tenant_id IS NOT DISTINCT FROM p_tenant_id THEN 'exists'
        ELSE 'exists_with_different_body'
    END;
END
$$;

-- Whether all accounts that a schedule names stand in these books or are shared, and one at least stands in them.
CREATE OR REPLACE FUNCTION ledger.schedule_is_within(p_definition jsonb, p_books smallint[]) RETURNS boolean
LANGUAGE sql STABLE SET search_path = ledger, pg_temp AS $$
    SELECT bool_and(coalesce(account.book_id = ANY (p_books) OR account.shared, false))
        AND bool_or(coalesce(account.book_id = ANY (p_books), false))
    FROM jsonb_array_elements(p_definition -> 'postings') AS posting (leg)
    LEFT JOIN ledger.account ON account.reference = posting.leg ->> 0
$$;
