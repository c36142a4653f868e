-- Refuses entries p_first_seq .. p_last_seq of this database transaction where a key of theirs stands in a partition
-- before their own: each partition keeps only its own keys apart. Keys in the order of time are greater than all before
-- them, so that one comparison for each tells that there is nothing to look for.
CREATE OR REPLACE FUNCTION ledger.refuse_old_keys(p_first_seq bigint, p_last_seq bigint) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = ledger, pg_temp
SET enable_hashjoin = off SET enable_mergejoin = off SET enable_seqscan = off
AS $$
DECLARE
    v_part record;
    v_greatest uuid;
    v_key uuid;
BEGIN
    FOR v_part IN
        SELECT table_name, first_seq FROM ledger.partition WHERE greatest_key IS NULL AND last_seq <= p_last_seq
    LOOP
        -- The entries have just gone past it.
        EXECUTE format('SELECT key FROM ledger.%I ORDER BY key DESC LIMIT 1', v_part.table_name) INTO v_greatest;
        UPDATE ledger.partition SET greatest_key = v_greatest WHERE first_seq = v_part.first_seq;
    END LOOP;
    SELECT greatest_key INTO v_greatest
    FROM ledger.partition WHERE last_seq < p_last_seq ORDER BY greatest_key DESC LIMIT 1;
    IF NOT EXISTS (SELECT FROM ledger.entry WHERE seq BETWEEN p_first_seq AND p_last_seq AND key <= v_greatest) THEN
        RETURN;
    END IF;
    FOR v_part IN
        SELECT table_name, greatest(p_first_seq, last_seq + 1) AS first_seq, greatest_key
        FROM ledger.partition WHERE last_seq < p_last_seq
    LOOP
        EXECUTE format(
            'SELECT key FROM ledger.entry
            WHERE seq BETWEEN $1 AND $2 AND key <= $3
                AND EXISTS (SELECT FROM ledger.%I AS old WHERE old.key = entry.key)
            LIMIT 1', v_part.table_name
        ) INTO v_key USING v_part.first_seq, p_last_seq, v_part.greatest_key;
        IF v_key IS NOT NULL THEN
            RAISE EXCEPTION 'key % stands in the books already', v_key USING ERRCODE = 'unique_violation';
        END IF;
    END LOOP;
END
$$;
