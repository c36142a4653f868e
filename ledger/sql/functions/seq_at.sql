-- The newest entry posted at p_time or before; 0 for none. Times of posting never go back, so halving finds it.
--
-- Of a time at which only archived entries had been posted, nothing tells it: that is said. With an account, for questions
-- about that account only: where none of its postings is archived, any number up to the border answers them alike.
CREATE OR REPLACE FUNCTION ledger.seq_at(p_time timestamptz, p_account_id bigint DEFAULT NULL) RETURNS bigint
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = ledger, pg_temp
SET plan_cache_mode = force_generic_plan AS $$
DECLARE
    v_border record := ledger.archive_border();
    v_low bigint := v_border.seq;
    v_high bigint;
    v_seq bigint;
    v_posted_at timestamptz;
BEGIN
    IF p_time < v_border.posted_until THEN
        IF p_account_id IS NULL OR ledger.has_archived(p_account_id) THEN
            PERFORM ledger.refuse_archived('what was posted by ' || p_time);
        END IF;
        RETURN 0;
    END IF;
    SELECT seq, posted_at INTO v_seq, v_posted_at FROM ledger.entry ORDER BY seq DESC LIMIT 1;
    IF NOT FOUND OR v_posted_at <= p_time THEN
        RETURN coalesce(v_seq, v_low);
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
