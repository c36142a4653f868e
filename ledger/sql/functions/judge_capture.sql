-- Says whether an entry may capture a hold at a moment: it must be placed, not past its deadline, and the entry must
-- take exactly the held amount from the held account. Returns the code (0 for yes) and the account's slot in the batch.
CREATE OR REPLACE FUNCTION ledger.judge_capture(
    p_hold uuid, p_now timestamptz, p_account bigint[], p_slot integer[], p_amount bigint[], p_sign bigint[],
    OUT code smallint, OUT slot integer
)
LANGUAGE plpgsql SET search_path = ledger, pg_temp AS $$
DECLARE
    v_hold ledger.hold;
    v_taken numeric;
BEGIN
    slot := 0;
    SELECT * INTO v_hold FROM ledger.hold WHERE id = p_hold;
    IF NOT FOUND THEN
        code := 5;
    ELSIF v_hold.state = 4 OR (v_hold.state = 1 AND v_hold.expires_at <= p_now) THEN
        code := 7;
    ELSIF v_hold.state <> 1 THEN
        code := 6;
    ELSE
        SELECT min(posting.slot), sum(-posting.amount::numeric * p_sign[posting.slot]) INTO slot, v_taken
        FROM unnest(p_slot, p_amount) AS posting (slot, amount)
        WHERE p_account[posting.slot] = v_hold.account_id;
        code := CASE WHEN v_taken = v_hold.amount THEN 0 ELSE 8 END;
    END IF;
END
$$;
