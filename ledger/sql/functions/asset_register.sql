-- Makes an asset known, with who asked and why, or finds it known. code: 'created', 'exists', 'exists_with_other_scale'.
-- Touches no balance, so it needs no place in the writer's line.
CREATE OR REPLACE FUNCTION ledger.asset_register(
    p_code text, p_scale smallint, p_actor text, p_reason text, p_now timestamptz
) RETURNS text
LANGUAGE plpgsql SECURITY DEFINER SET search_path = ledger, pg_temp AS $$
DECLARE
    v_id smallint;
BEGIN
    -- Asked first, so that repeats use up no numbers: there are few.
    IF NOT EXISTS (SELECT FROM ledger.asset WHERE code = p_code) THEN
        INSERT INTO ledger.asset (code, scale) VALUES (p_code, p_scale)
        ON CONFLICT (code) DO NOTHING RETURNING id INTO v_id;
        IF FOUND THEN
            INSERT INTO ledger.asset_registration (asset_id, actor, reason, at) VALUES (v_id, p_actor, p_reason, p_now);
            RETURN 'created';
        END IF;
    END IF;
    RETURN (
        SELECT CASE WHEN scale = p_scale THEN 'exists' ELSE 'exists_with_other_scale' END
        FROM ledger.asset
        WHERE code = p_code
    );
END
$$;
