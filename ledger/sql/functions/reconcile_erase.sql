-- Erases names and text of the other party from all records of an account that were booked before a day; amounts, days
-- and references stay, and so does every match. Returns how many were erased.
CREATE OR REPLACE FUNCTION ledger.reconcile_erase(p_account text, p_before date) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = ledger, pg_temp AS $$
DECLARE
    v_count bigint;
BEGIN
    DELETE FROM ledger.external_party AS party
    USING ledger.external_record AS record, ledger.account
    WHERE record.id = party.record_id AND account.id = record.account_id AND account.reference = p_account
        AND record.booking_day < p_before;
    GET DIAGNOSTICS v_count = ROW_COUNT;
    RETURN v_count;
END
$$;
