-- Watches a condition on an account from here on. The id is permanent. code: 'created', 'exists',
-- 'exists_with_different_body', 'account_not_found', 'account_striped', 'too_many_monitors', in this precedence.
CREATE OR REPLACE FUNCTION ledger.set_monitor(
    p_epoch bigint, p_id uuid, p_reference text, p_field smallint, p_operator smallint, p_value bigint,
    p_count_max integer, p_now timestamptz, p_tenant_id smallint
) RETURNS text
LANGUAGE plpgsql SECURITY DEFINER SET search_path = ledger, pg_temp AS $$
DECLARE
    v_head ledger.head := ledger.lock_head(p_epoch);
    v_account_id bigint;
    v_known ledger.monitor;
BEGIN
    SELECT id INTO v_account_id FROM ledger.account WHERE reference = p_reference;
    SELECT * INTO v_known FROM ledger.monitor WHERE id = p_id;
    IF v_known.id IS NOT NULL THEN
        RETURN CASE
            WHEN v_known.account_id = v_account_id AND v_known.field = p_field AND v_known.operator = p_operator
                AND v_known.value = p_value AND v_known.tenant_id IS NOT DISTINCT FROM p_tenant_id THEN 'exists'
            ELSE 'exists_with_different_body'
        END;
    ELSIF v_account_id IS NULL THEN
        RETURN 'account_not_found';
    ELSIF EXISTS (SELECT FROM ledger.account WHERE id = v_account_id AND stripes > 0) THEN
        RETURN 'account_striped';
    ELSIF (SELECT count(*) FROM ledger.monitor WHERE account_id = v_account_id AND dropped_at IS NULL) >= p_count_max THEN
        RETURN 'too_many_monitors';
    END IF;
    INSERT INTO ledger.monitor (id, account_id, field, operator, value, set_at, tenant_id)
    VALUES (p_id, v_account_id, p_field, p_operator, p_value, p_now, p_tenant_id);
    RETURN 'created';
END
$$;

-- Watches no longer; a tenant drops what he set himself. code: 'dropped', 'exists' (dropped before), 'monitor_not_found'.
CREATE OR REPLACE FUNCTION ledger.drop_monitor(p_epoch bigint, p_id uuid, p_now timestamptz, p_tenant_id smallint)
RETURNS text
LANGUAGE plpgsql SECURITY DEFINER SET search_path = ledger, pg_temp AS $$
DECLARE
    v_head ledger.head := ledger.lock_head(p_epoch);
BEGIN
    UPDATE ledger.monitor SET dropped_at = greatest(p_now, set_at) WHERE id = p_id AND dropped_at IS NULL
        AND (p_tenant_id IS NULL OR tenant_id = p_tenant_id);
    RETURN CASE
        WHEN FOUND THEN 'dropped'
        WHEN EXISTS (
            SELECT FROM ledger.monitor WHERE id = p_id AND (p_tenant_id IS NULL OR tenant_id = p_tenant_id)
        ) THEN 'exists'
        ELSE 'monitor_not_found'
    END;
END
$$;
