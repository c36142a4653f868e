-- Opens, freezes or closes an account (1, 2, 3), in line with the postings before and after. A closed account must be
-- empty. code: 'changed', 'account_not_found', 'account_not_empty'.
CREATE OR REPLACE FUNCTION ledger.set_account_status(p_epoch bigint, p_reference text, p_status smallint) RETURNS text
LANGUAGE plpgsql SECURITY DEFINER SET search_path = ledger, pg_temp AS $$
DECLARE
    v_head ledger.head := ledger.lock_head(p_epoch);
    v_account ledger.account;
BEGIN
    SELECT * INTO v_account FROM ledger.account WHERE reference = p_reference;
    IF NOT FOUND THEN
        RETURN 'account_not_found';
    END IF;
    IF p_status = 3 AND (v_account.balance <> 0 OR v_account.held <> 0) THEN
        RETURN 'account_not_empty';
    END IF;
    UPDATE ledger.account SET status = p_status WHERE id = v_account.id;
    RETURN 'changed';
END
$$;
