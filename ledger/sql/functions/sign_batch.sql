-- Records the writer's signature over the entries of this database transaction.
CREATE OR REPLACE FUNCTION ledger.sign_batch(
    p_epoch bigint, p_first_seq bigint, p_last_seq bigint, p_digest bytea, p_signature bytea
) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = ledger, pg_temp AS $$
DECLARE
    v_head ledger.head := ledger.lock_head(p_epoch);
BEGIN
    IF p_first_seq <> v_head.signed_seq + 1 OR p_last_seq <> v_head.next_seq - 1 THEN
        RAISE EXCEPTION 'batch % to % is not what awaits a signature (% to %)',
            p_first_seq, p_last_seq, v_head.signed_seq + 1, v_head.next_seq - 1 USING ERRCODE = 'DW003';
    END IF;
    INSERT INTO ledger.batch (first_seq, last_seq, epoch, digest, signature)
    VALUES (p_first_seq, p_last_seq, p_epoch, p_digest, p_signature);
    UPDATE ledger.head SET signed_seq = p_last_seq WHERE id = 1;
END
$$;
