-- Lets an alias stand for an account, or with a null reference for none. p_move allows to take it from another account.
-- code: 'changed', 'unchanged', 'account_not_found', 'alias_taken'.
CREATE OR REPLACE FUNCTION ledger.account_set_alias(
    p_alias text, p_reference text, p_move boolean, p_actor text, p_now timestamptz
) RETURNS text
LANGUAGE plpgsql SECURITY DEFINER SET search_path = ledger, pg_temp AS $$
DECLARE
    v_account_id bigint;
    v_known ledger.alias;
BEGIN
    IF p_reference IS NOT NULL THEN
        SELECT id INTO v_account_id FROM ledger.account WHERE reference = p_reference;
        IF NOT FOUND THEN
            RETURN 'account_not_found';
        END IF;
        INSERT INTO ledger.alias (alias, version) VALUES (p_alias, 0) ON CONFLICT (alias) DO NOTHING;
    END IF;
    SELECT * INTO v_known FROM ledger.alias WHERE alias = p_alias FOR NO KEY UPDATE;
    IF v_known.account_id IS NOT DISTINCT FROM v_account_id THEN
        RETURN 'unchanged';
    ELSIF v_known.account_id IS NOT NULL AND NOT p_move THEN
        RETURN 'alias_taken';
    END IF;
    UPDATE ledger.alias SET account_id = v_account_id, version = version + 1 WHERE alias = p_alias;
    INSERT INTO ledger.alias_change (alias, number, at, actor, before, after)
    VALUES (p_alias, v_known.version + 1, p_now, p_actor, v_known.account_id, v_account_id);
    RETURN 'changed';
END
$$;
