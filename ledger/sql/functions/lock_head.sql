-- Puts the caller in line with all other writers and refuses one whose epoch was replaced.
-- The row is found by id alone: a condition on what another writer is changing would silently match nothing.
CREATE OR REPLACE FUNCTION ledger.lock_head(p_epoch bigint) RETURNS ledger.head
LANGUAGE plpgsql SET search_path = ledger, pg_temp AS $$
DECLARE
    v_head ledger.head;
BEGIN
    SELECT * INTO STRICT v_head FROM ledger.head WHERE id = 1 FOR UPDATE;
    IF v_head.epoch <> p_epoch THEN
        RAISE EXCEPTION 'epoch % was replaced by %', p_epoch, v_head.epoch USING ERRCODE = 'DW001';
    END IF;
    RETURN v_head;
END
$$;
