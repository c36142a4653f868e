-- Gives an account that was just opened its stripes: accounts underneath, alike in asset, side, floor and book. A writer
-- that knows the account without them is refused by the settlement of its next posting on it.
CREATE OR REPLACE FUNCTION ledger.stripe_account(p_reference text, p_stripes smallint) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = ledger, pg_temp AS $$
DECLARE
    v_whole ledger.account;
BEGIN
    UPDATE ledger.account SET stripes = p_stripes
    WHERE reference = p_reference AND stripes = 0 AND stripe_of IS NULL AND terms = 0 AND status = 1
    RETURNING * INTO v_whole;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'account % was used already, or has stripes', p_reference USING ERRCODE = 'DW004';
    END IF;
    INSERT INTO ledger.account (reference, asset_id, normal_side, floor, opened_at, stripe_of, book_id, shared)
    SELECT format('%s#%s', p_reference, lpad(number::text, 2, '0')), v_whole.asset_id, v_whole.normal_side,
        v_whole.floor, v_whole.opened_at, v_whole.id, v_whole.book_id, v_whole.shared
    FROM generate_series(1, p_stripes) AS number;
END
$$;
