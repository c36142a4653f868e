-- The newest entry posted at p_time or before; 0 for none. Times of posting never go back, so halving finds it.
CREATE OR REPLACE FUNCTION ledger.seq_at(p_time timestamptz) RETURNS bigint
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = ledger, pg_temp
SET plan_cache_mode = force_generic_plan AS $$
DECLARE
    v_low bigint := 0;
    v_high bigint;
    v_seq bigint;
    v_posted_at timestamptz;
BEGIN
    SELECT seq, posted_at INTO v_seq, v_posted_at FROM ledger.entry ORDER BY seq DESC LIMIT 1;
    IF NOT FOUND OR v_posted_at <= p_time THEN
        RETURN coalesce(v_seq, 0);
    END IF;
    v_high := v_seq - 1;
    WHILE v_low < v_high LOOP
        SELECT seq, posted_at INTO v_seq, v_posted_at
        FROM ledger.entry WHERE seq > (v_low + v_high) / 2 ORDER BY seq LIMIT 1;
        IF v_posted_at <= p_time THEN
            v_low := v_seq;
        ELSE
            v_high := (v_low + v_high) / 2;
        END IF;
    END LOOP;
    RETURN v_low;
END
$$;
