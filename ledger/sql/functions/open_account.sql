-- Opens an account, or finds the same one open already. code: 'created', 'exists', 'exists_with_different_body',
-- 'asset_not_found'. Touches no balance, so it needs no place in the writer's line.
CREATE OR REPLACE FUNCTION ledger.open_account(
    p_reference text, p_asset text, p_normal_side smallint, p_floor bigint, p_now timestamptz
) RETURNS text
LANGUAGE plpgsql SECURITY DEFINER SET search_path = ledger, pg_temp AS $$
DECLARE
    v_asset smallint;
    v_known ledger.account;
BEGIN
    SELECT id INTO v_asset FROM ledger.asset WHERE code = p_asset;
    IF NOT FOUND THEN
        RETURN 'asset_not_found';
    END IF;
    INSERT INTO ledger.account (reference, asset_id, normal_side, floor, opened_at)
    VALUES (p_reference, v_asset, p_normal_side, p_floor, p_now)
    ON CONFLICT (reference) DO NOTHING;
    IF FOUND THEN
        RETURN 'created';
    END IF;
    SELECT * INTO STRICT v_known FROM ledger.account WHERE reference = p_reference;
    RETURN CASE
        WHEN v_known.asset_id = v_asset AND v_known.normal_side = p_normal_side
            AND v_known.floor IS NOT DISTINCT FROM p_floor THEN 'exists'
        ELSE 'exists_with_different_body'
    END;
END
$$;
