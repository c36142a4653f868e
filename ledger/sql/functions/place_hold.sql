-- Reserves money of an account until a deadline. The id is permanent: the same hold again gives 'exists' with its state
-- now. code: 'placed', 'exists', 'exists_with_different_body', 'account_not_found', 'account_closed',
-- 'account_frozen', 'deadline_passed', 'balance_overflow', 'exceeds_available', in this precedence.
CREATE OR REPLACE FUNCTION ledger.place_hold(
    p_epoch bigint, p_id uuid, p_reference text, p_amount bigint, p_expires_at timestamptz, p_now timestamptz
) RETURNS text
LANGUAGE plpgsql SECURITY DEFINER SET search_path = ledger, pg_temp AS $$
DECLARE
    v_head ledger.head := ledger.lock_head(p_epoch);
    v_known ledger.hold;
    v_account ledger.account;
BEGIN
    SELECT * INTO v_account FROM ledger.account WHERE reference = p_reference;
    SELECT * INTO v_known FROM ledger.hold WHERE id = p_id;
    IF v_known.id IS NOT NULL THEN
        RETURN CASE
            WHEN v_known.account_id = v_account.id AND v_known.amount = p_amount
                AND v_known.expires_at = p_expires_at THEN 'exists'
            ELSE 'exists_with_different_body'
        END;
    END IF;
    IF v_account.id IS NULL THEN
        RETURN 'account_not_found';
    ELSIF v_account.status <> 1 THEN
        RETURN CASE v_account.status WHEN 3 THEN 'account_closed' ELSE 'account_frozen' END;
    ELSIF p_expires_at <= p_now THEN
        RETURN 'deadline_passed';
    ELSIF v_account.held::numeric + p_amount > 4611686018427387903
        OR v_account.balance::numeric - v_account.held - p_amount < -4611686018427387903 THEN
        RETURN 'balance_overflow';
    ELSIF v_account.balance::numeric - v_account.held - p_amount < v_account.floor THEN
        RETURN 'exceeds_available';
    END IF;
    INSERT INTO ledger.hold (id, account_id, amount, placed_at, expires_at)
    VALUES (p_id, v_account.id, p_amount, p_now, p_expires_at);
    UPDATE ledger.account SET held = held + p_amount WHERE id = v_account.id;
    RETURN 'placed';
END
$$;
