-- Makes the caller the one writer: every older writer is fenced from here on.
CREATE OR REPLACE FUNCTION ledger.take_over(OUT epoch bigint, OUT next_seq bigint, OUT posted_at timestamptz)
LANGUAGE sql SECURITY DEFINER SET search_path = ledger, pg_temp AS $$
    UPDATE ledger.head SET epoch = head.epoch + 1 WHERE id = 1
    RETURNING head.epoch, head.next_seq, head.posted_at
$$;
